#include "worker/diffusion/weights/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

// The bytes of a file with this header and so many bytes of data.
std::string File(const std::string& header, size_t data_bytes) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(header.size() >> (8 * i)));
  return bytes + header + std::string(data_bytes, '\0');
}

std::string ErrorOf(const std::string& bytes) {
  try {
    SafeTensors::Parse(bytes, "file");
    return "accepted";
  } catch (const ModelError& e) {
    return e.what();
  }
}

TEST(Safetensors, RoundTripsTensorsAndMetadata) {
  const at::Tensor a = at::randn({2, 3});
  const at::Tensor b = at::arange(5, at::kLong);
  const at::Tensor half = at::randn({4}).to(at::kHalf);
  const std::string bytes =
      SerializeSafeTensors({{"a", a}, {"b", b}, {"half", half}, {"none", at::empty({0, 7})}}, {{"k", "v"}});
  const SafeTensors file = SafeTensors::Parse(bytes, "file");
  EXPECT_TRUE(at::equal(file.Get("a"), a));
  EXPECT_TRUE(at::equal(file.Get("b"), b));
  EXPECT_TRUE(at::equal(file.Get("half"), half));
  EXPECT_EQ(file.Get("none").sizes(), at::IntArrayRef({0, 7}));
  EXPECT_EQ(file.metadata().at("k"), "v");
}

TEST(Safetensors, ReadsUnalignedData) {
  // A header of odd length puts the floats at an odd address.
  const std::string header = R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} )";
  std::string bytes = File(header, 4);
  const float one = 1;
  std::memcpy(bytes.data() + bytes.size() - 4, &one, 4);
  EXPECT_EQ(SafeTensors::Parse(bytes, "file").Get("x").item<float>(), 1);
}

TEST(Safetensors, ReadsTheLongestNames) {
  const std::string name(1024, 'a');
  EXPECT_TRUE(SafeTensors::Parse(SerializeSafeTensors({{name, at::ones({2})}}), "file").Get(name).defined());
}

struct Malformed {
  const char* name;
  std::string bytes;
  const char* error;
};

class SafetensorsMalformed : public testing::TestWithParam<Malformed> {};

TEST_P(SafetensorsMalformed, IsRefusedWithAPreciseError) {
  EXPECT_THAT(ErrorOf(GetParam().bytes), HasSubstr(GetParam().error));
}

const Malformed kMalformed[] = {
    {"Empty", "", "too few for the header length"},
    {"ShorterThanLength", "abc", "too few for the header length"},
    {"OversizeHeader", std::string("\xff\xff\xff\xff\xff\xff\xff\x7f") + "{}", "over the limit of 100000000"},
    {"TruncatedHeader", std::string("\x10\0\0\0\0\0\0\0", 8) + "{}", "truncated"},
    {"NotAnObject", File("[]", 0), "does not start with '{'"},
    {"LeadingSpace", File(" {}", 0), "does not start with '{'"},
    {"NotJson", File("{\"a\":", 0), "not JSON"},
    {"DuplicateKey",
     File(
         R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
         1),
     "appears twice"},
    {"MissingField", File(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "lacks \"data_offsets\""},
    {"ExtraField", File(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"z":0}})", 1),
     "fields besides"},
    {"LongName",
     File("{\"" + std::string(1025, 'a') + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
     "file: not a valid safetensors file: the name of a tensor has 1025 bytes, over the limit of 1024"},
    {"UnknownDtype", File(R"({"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}})", 1),
     "supported: BOOL U8"},
    {"NegativeDimension", File(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1),
     "non-negative integer"},
    {"FractionalDimension", File(R"({"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}})", 1),
     "non-negative integer"},
    {"Overflow", File(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", 4),
     "overflows"},
    {"SizeMismatch", File(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "needs 8"},
    {"ReversedOffsets", File(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1), "needs 1"},
    {"Overlap",
     File(
         R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
         3),
     "overlap before tensor \"b\""},
    {"Hole",
     File(
         R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
         3),
     "hole before tensor \"b\""},
    {"TruncatedData", File(R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 4),
     "cover 9 bytes but the file holds 4"},
    {"TrailingData", File(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 2),
     "cover 1 bytes but the file holds 2"},
    {"MetadataNotString", File(R"({"__metadata__":{"a":1}})", 0), "\"a\" is not a string"},
    {"MetadataNotObject", File(R"({"__metadata__":[]})", 0), "not an object"},
    {"TooDeep", File("{\"a\":{\"b\":{\"c\":{\"d\":{}}}}}", 0), "nested deeper"},
};

INSTANTIATE_TEST_SUITE_P(Table, SafetensorsMalformed, testing::ValuesIn(kMalformed),
                         [](const auto& info) { return info.param.name; });

TEST(Safetensors, NamesAMissingFile) {
  try {
    SafeTensors::Open("/nowhere/model.safetensors");
    FAIL();
  } catch (const ModelError& e) {
    EXPECT_THAT(e.what(), HasSubstr("/nowhere/model.safetensors: cannot open"));
  }
}

TEST(Safetensors, NamesAMissingTensor) {
  const SafeTensors file = SafeTensors::Parse(SerializeSafeTensors({}), "file");
  EXPECT_THROW(file.Get("absent"), ModelError);
}

}  // namespace
}  // namespace mind::diffusion
