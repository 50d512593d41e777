#include "worker/diffusion/weights/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeader = 100'000'000;
constexpr size_t kLengthBytes = 8;
// Of a tensor's name: what looks for patterns in names goes one level deeper for each of its bytes.
constexpr size_t kMaxName = 1024;

struct Dtype {
  const char* name;
  c10::ScalarType type;
  Float8 float8 = Float8::kNone;
};

// The dtypes LibTorch can hold in every version we build against, and those of eight bits that are read into
// larger ones; the others of the format (U16, U32, U64 …) are refused by name.
constexpr Dtype kDtypes[] = {{"BOOL", c10::ScalarType::Bool},
                             {"U8", c10::ScalarType::Byte},
                             {"I8", c10::ScalarType::Char},
                             {"I16", c10::ScalarType::Short},
                             {"I32", c10::ScalarType::Int},
                             {"I64", c10::ScalarType::Long},
                             {"F16", c10::ScalarType::Half},
                             {"F32", c10::ScalarType::Float},
                             {"F64", c10::ScalarType::Double},
                             {"BF16", c10::ScalarType::BFloat16},
                             {"F8_E4M3", c10::ScalarType::Byte, Float8::kE4M3},
                             {"F8_E5M2", c10::ScalarType::Byte, Float8::kE5M2}};

[[noreturn]] void Fail(const std::string& file, const std::string& what) {
  throw ModelError(file + ": not a valid safetensors file: " + what);
}

// nlohmann's parser keeps the last of two equal keys without a word, so keys are watched while it parses.
json ParseRefusingDuplicates(std::string_view text, const std::string& file) {
  std::vector<std::set<std::string>> keys;
  json::parser_callback_t watch = [&](int depth, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      keys.emplace_back();
      if (depth > 2) Fail(file, "the header is nested deeper than a tensor entry");
    } else if (event == json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == json::parse_event_t::array_start && depth > 3) {
      Fail(file, "the header is nested deeper than a tensor entry");
    } else if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) Fail(file, "the key \"" + key + "\" appears twice");
    }
    return true;
  };
  try {
    return json::parse(text, watch);
  } catch (const json::exception& e) {
    Fail(file, std::string("the header is not JSON: ") + e.what());
  }
}

uint64_t Unsigned(const json& value, const std::string& file, const std::string& what) {
  if (!value.is_number_unsigned())
    Fail(file, what + " must be a non-negative integer, found " + value.dump());
  return value.get<uint64_t>();
}

const Dtype& ParseDtype(const json& value, const std::string& file, const std::string& tensor) {
  if (value.is_string()) {
    for (const Dtype& dtype : kDtypes) {
      if (value.get_ref<const std::string&>() == dtype.name) return dtype;
    }
  }
  std::string known;
  for (const Dtype& dtype : kDtypes) known += std::string(known.empty() ? "" : " ") + dtype.name;
  Fail(file, "tensor \"" + tensor + "\" has dtype " + value.dump() + "; supported: " + known);
}

SafeTensorsEntry ParseEntry(const std::string& name, const json& value, const std::string& file) {
  if (name.size() > kMaxName) {
    Fail(file, "the name of a tensor has " + std::to_string(name.size()) + " bytes, over the limit of " +
                   std::to_string(kMaxName));
  }
  const std::string where = "tensor \"" + name + "\"";
  if (!value.is_object()) Fail(file, where + " is not an object");
  for (const char* field : {"dtype", "shape", "data_offsets"}) {
    if (!value.contains(field)) Fail(file, where + " lacks \"" + field + "\"");
  }
  if (value.size() != 3) Fail(file, where + " has fields besides dtype, shape and data_offsets");
  SafeTensorsEntry entry;
  entry.name = name;
  const Dtype& dtype = ParseDtype(value["dtype"], file, name);
  entry.dtype = dtype.type;
  entry.float8 = dtype.float8;
  const json& shape = value["shape"];
  const json& offsets = value["data_offsets"];
  if (!shape.is_array()) Fail(file, where + ": shape is not an array");
  if (!offsets.is_array() || offsets.size() != 2) Fail(file, where + ": data_offsets is not a pair");
  uint64_t bytes = c10::elementSize(entry.dtype);
  for (const json& dimension : shape) {
    const uint64_t extent = Unsigned(dimension, file, where + ": a dimension");
    if (extent > INT64_MAX || __builtin_mul_overflow(bytes, extent, &bytes)) {
      Fail(file, where + ": the size of shape " + shape.dump() + " overflows");
    }
    entry.shape.push_back(static_cast<int64_t>(extent));
  }
  entry.begin = Unsigned(offsets[0], file, where + ": an offset");
  entry.end = Unsigned(offsets[1], file, where + ": an offset");
  if (entry.end < entry.begin || entry.end - entry.begin != bytes) {
    Fail(file, where + ": data_offsets " + offsets.dump() + " span " +
                   std::to_string(static_cast<int64_t>(entry.end - entry.begin)) + " bytes but shape " +
                   shape.dump() + " of " + value["dtype"].get<std::string>() + " needs " +
                   std::to_string(bytes));
  }
  return entry;
}

}  // namespace

SafeTensorsHeader ParseSafeTensorsHeader(std::string_view bytes, const std::string& name) {
  if (bytes.size() < kLengthBytes) {
    Fail(name, "it has " + std::to_string(bytes.size()) + " bytes, too few for the header length");
  }
  uint64_t length = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) length |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  if (length > kMaxHeader) {
    Fail(name, "the header length " + std::to_string(length) + " is over the limit of " +
                   std::to_string(kMaxHeader));
  }
  if (length > bytes.size() - kLengthBytes) {
    Fail(name, "the header length " + std::to_string(length) + " reaches past the end of the file (" +
                   std::to_string(bytes.size()) + " bytes): truncated?");
  }
  const std::string_view text = bytes.substr(kLengthBytes, length);
  if (text.empty() || text[0] != '{') Fail(name, "the header does not start with '{'");
  const json root = ParseRefusingDuplicates(text, name);

  SafeTensorsHeader header;
  header.data_offset = kLengthBytes + length;
  for (const auto& [key, value] : root.items()) {
    if (key != "__metadata__") {
      header.entries.push_back(ParseEntry(key, value, name));
      continue;
    }
    if (!value.is_object()) Fail(name, "__metadata__ is not an object");
    for (const auto& [field, text_value] : value.items()) {
      if (!text_value.is_string()) Fail(name, "__metadata__ \"" + field + "\" is not a string");
      header.metadata[field] = text_value.get<std::string>();
    }
  }

  std::sort(header.entries.begin(), header.entries.end(),
            [](const auto& a, const auto& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  uint64_t covered = 0;
  for (const SafeTensorsEntry& entry : header.entries) {
    if (entry.begin != covered) {
      Fail(name, std::string(entry.begin < covered ? "overlap" : "hole") + " before tensor \"" + entry.name +
                     "\": the data so far ends at " + std::to_string(covered) + ", the tensor begins at " +
                     std::to_string(entry.begin));
    }
    covered = entry.end;
  }
  const uint64_t available = bytes.size() - header.data_offset;
  if (covered != available) {
    Fail(name, "the tensors cover " + std::to_string(covered) + " bytes but the file holds " +
                   std::to_string(available) + (covered > available ? ": truncated?" : ""));
  }
  return header;
}

const char* SafeTensorsDtypeName(c10::ScalarType dtype) {
  for (const Dtype& known : kDtypes) {
    if (known.type == dtype && known.float8 == Float8::kNone) return known.name;
  }
  return nullptr;
}

}  // namespace mind::diffusion
