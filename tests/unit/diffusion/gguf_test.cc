#include "worker/diffusion/weights/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/block_types.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

const std::string kGgufFolder = std::string(MIND_TEST_DATA) + "/gguf/";

std::string BytesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A file that can be made wrong: one tensor of one row.
struct SmallGguf {
  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t tensors = 1, values = 0;
  std::string header = "";  // of values
  std::string name = "w";
  std::vector<uint64_t> extents = {32};
  uint32_t type = 8;  // Q8_0
  uint64_t offset = 0;
  size_t data = 34;

  std::string Bytes() const {
    std::string bytes = magic;
    const auto add = [&bytes](auto number) {
      bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
    };
    add(version), add(tensors), add(values);
    bytes += header;
    add(uint64_t{name.size()});
    bytes += name;
    add(static_cast<uint32_t>(extents.size()));
    for (const uint64_t extent : extents) add(extent);
    add(type), add(offset);
    bytes.append((32 - bytes.size() % 32) % 32, '\0');
    return bytes.append(data, '\0');
  }
};

// What holds these in float32.
std::string GgufOf(const std::map<std::string, at::Tensor>& tensors) {
  std::string bytes = "GGUF";
  const auto add = [&bytes](auto number) {
    bytes.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  add(uint32_t{3}), add(uint64_t{tensors.size()}), add(uint64_t{0});
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    add(uint64_t{name.size()});
    bytes += name;
    add(static_cast<uint32_t>(tensor.dim()));
    for (int64_t i = tensor.dim() - 1; i >= 0; --i) add(static_cast<uint64_t>(tensor.size(i)));
    add(uint32_t{0}), add(offset);
    offset += (static_cast<uint64_t>(tensor.numel()) * sizeof(float) + 31) / 32 * 32;
  }
  for (const auto& [name, tensor] : tensors) {
    bytes.append((32 - bytes.size() % 32) % 32, '\0');
    const at::Tensor numbers = tensor.to(at::kFloat).contiguous();
    bytes.append(static_cast<const char*>(numbers.data_ptr()), numbers.nbytes());
  }
  return bytes;
}

std::string GgufError(const std::string& bytes) {
  try {
    ParseGguf(bytes, "file.gguf");
  } catch (const ModelError& e) {
    return e.what();
  }
  return "";
}

TEST(Gguf, BlocksStandForWhatTheReferenceMakesOfThem) {
  const NamedTensors read = ReadWeights(kGgufFolder + "blocks.gguf");
  const SafeTensors expected = SafeTensors::Open(kGgufFolder + "blocks.safetensors");
  ASSERT_EQ(read.tensors.size(), 15U);
  for (const auto& [name, tensor] : read.tensors) {
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    ASSERT_EQ(tensor.sizes(), expected.Get(name).sizes()) << name;
    EXPECT_TRUE(at::allclose(tensor, expected.Get(name), 1e-6, 1e-7)) << name;
  }
}

TEST(Gguf, AFileThatIsWhole) {
  EXPECT_EQ(GgufError(SmallGguf().Bytes()), "");
  EXPECT_EQ(ParseGguf(SmallGguf().Bytes(), "").tensors.at("w").sizes(), at::IntArrayRef({32}));
  SmallGguf map{.extents = {32, 3, 2}, .data = 6 * 34};
  EXPECT_EQ(ParseGguf(map.Bytes(), "").tensors.at("w").sizes(), at::IntArrayRef({2, 3, 32}));
}

TEST(Gguf, WhatIsWrongIsNamed) {
  EXPECT_THAT(GgufError(SmallGguf{.magic = "FUGG"}.Bytes()),
              HasSubstr("file.gguf: not a valid GGUF file: it does not begin with GGUF"));
  EXPECT_THAT(GgufError(SmallGguf{.version = 1}.Bytes()), HasSubstr("of the version 1; 2 and 3"));
  EXPECT_THAT(GgufError(SmallGguf{.version = 0x03000000}.Bytes()), HasSubstr("little-endian"));
  EXPECT_THAT(GgufError(SmallGguf{.tensors = uint64_t{1} << 40}.Bytes()),
              HasSubstr("the number of tensors is 1099511627776"));
  EXPECT_THAT(GgufError(SmallGguf{.tensors = 2}.Bytes()), HasSubstr("file.gguf: not a valid GGUF file"));
  EXPECT_THAT(GgufError(SmallGguf{.extents = {}}.Bytes()), HasSubstr("\"w\" has 0 dimensions; 1 to 4"));
  EXPECT_THAT(GgufError(SmallGguf{.extents = {32, 0}}.Bytes()), HasSubstr("overflows, or is nought"));
  EXPECT_THAT(GgufError(SmallGguf{.extents = {uint64_t{1} << 40, uint64_t{1} << 40}}.Bytes()),
              HasSubstr("overflows"));
  EXPECT_THAT(GgufError(SmallGguf{.extents = {33}}.Bytes()),
              HasSubstr("a row of 33 is no number of whole Q8_0 blocks of 32"));
  EXPECT_THAT(GgufError(SmallGguf{.type = 9}.Bytes()),
              HasSubstr("\"w\" is of the type 9; supported: F32, F16"));
  EXPECT_THAT(GgufError(SmallGguf{.offset = 7}.Bytes()), HasSubstr("begins at 7, which is not aligned"));
  EXPECT_THAT(GgufError(SmallGguf{.offset = uint64_t{1} << 63}.Bytes()),
              HasSubstr("reaches past the end of the file"));
  EXPECT_THAT(GgufError(SmallGguf{.data = 33}.Bytes()), HasSubstr("reaches past the end of the file"));
}

TEST(Gguf, NoBeginningOfAFileIsAFile) {
  const std::string whole = BytesOf(kGgufFolder + "blocks.gguf");
  ASSERT_GT(whole.size(), 1000U);
  for (size_t size = 0; size < whole.size(); size += size < 1200 ? 1 : 97)
    EXPECT_THAT(GgufError(whole.substr(0, size)), HasSubstr("file.gguf: not a valid GGUF file")) << size;
}

TEST(Gguf, AShapeOfItsOwnMustFit) {
  std::string bytes = BytesOf(kGgufFolder + "blocks.gguf");
  const size_t key = bytes.find("comfy.gguf.orig_shape.F16");
  ASSERT_NE(key, std::string::npos);
  // The first number of the list lies behind the types and the length.
  const size_t first = key + std::strlen("comfy.gguf.orig_shape.F16") + 4 + 4 + 8;
  ASSERT_EQ(bytes[first], 4);
  bytes[first] = 5;
  EXPECT_THAT(GgufError(bytes),
              HasSubstr("comfy.gguf.orig_shape.F16 is [5,2,32], which is no shape for the 256 numbers"));
}

TEST(Gguf, AWholeModelInOneFileLoads) {
  namespace fs = std::filesystem;
  const fs::path golden = fs::path(MIND_TEST_DATA) / "golden";
  const support::TemporaryFolder folder;
  const fs::path one = folder.path() / "one", other = folder.path() / "other";
  for (const fs::path& model : {one, other}) {
    fs::copy(golden / "models" / "sd2", model, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(model)) {
      if (entry.path().extension() == ".safetensors") fs::remove(entry.path());
    }
  }
  const fs::path single = golden / "formats" / "single_file" / "sd2.safetensors";
  fs::copy(single, one);
  std::map<std::string, at::Tensor> tensors = SafeTensors::Open(single.string()).tensors();
  std::erase_if(tensors, [](const auto& entry) {
    return !entry.second.is_floating_point() || entry.second.dim() == 0;
  });
  std::ofstream(other / "sd2.gguf", std::ios::binary) << GgufOf(tensors);

  const auto expected = LoadPipeline(one.string(), {}), made = LoadPipeline(other.string(), {});
  PictureRequest request;
  request.prompt = "a cat";
  const std::vector<int64_t> shape = expected->LatentShape(64, 64);
  EXPECT_TRUE(at::equal(expected->Condition(request, shape).rows.front()[Condition::kText],
                        made->Condition(request, shape).rows.front()[Condition::kText]));
}

TEST(Gguf, EveryTypeHasItsName) {
  for (uint32_t code = 0; code < 64; ++code) {
    if (const BlockType* const type = FindBlockType(code)) {
      EXPECT_THAT(BlockTypeNames(), HasSubstr(type->name));
      EXPECT_EQ(type->code, code);
    }
  }
  EXPECT_EQ(FindBlockType(9), nullptr);
}

}  // namespace
}  // namespace mind::diffusion
