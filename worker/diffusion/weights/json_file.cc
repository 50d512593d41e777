#include "worker/diffusion/weights/json_file.h"

#include <fstream>
#include <sstream>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using nlohmann::json;

// Replaces Python's non-finite literals outside of strings by null.
std::string WithoutNonFinite(std::string_view text) {
  constexpr std::string_view kLiterals[] = {"-Infinity", "Infinity", "NaN"};
  std::string out;
  out.reserve(text.size());
  bool in_string = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_string && c == '\\' && i + 1 < text.size()) {
      out.append(text.substr(i, 2));
      i += 2;
      continue;
    }
    if (c == '"') in_string = !in_string;
    std::string_view literal;
    if (!in_string) {
      for (const std::string_view candidate : kLiterals) {
        if (text.substr(i, candidate.size()) == candidate) literal = candidate;
      }
    }
    if (literal.empty()) {
      out.push_back(c);
      ++i;
    } else {
      out += "null";
      i += literal.size();
    }
  }
  return out;
}

}  // namespace

json ParsePythonJson(std::string_view text, const std::string& name) {
  try {
    json parsed = json::parse(WithoutNonFinite(text));
    if (!parsed.is_object())
      throw ModelError(name + ": a JSON object is needed, found " + parsed.type_name());
    return parsed;
  } catch (const json::exception& e) {
    throw ModelError(name + ": not valid JSON: " + e.what());
  }
}

json ReadJsonFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ModelError(path + ": missing or unreadable");
  std::ostringstream text;
  text << file.rdbuf();
  return ParsePythonJson(text.str(), path);
}

const json& Config::at(const std::string& key) const {
  if (Unset(key)) throw ModelError(name_ + ": \"" + key + "\" is missing");
  return object_.at(key);
}

bool Config::Bool(const std::string& key, bool fallback) const {
  if (Unset(key)) return fallback;
  if (!at(key).is_boolean())
    throw ModelError(name_ + ": \"" + key + "\" must be true or false, found " + at(key).dump());
  return at(key).get<bool>();
}

int64_t Config::Int(const std::string& key, int64_t fallback) const {
  return Unset(key) ? fallback : RequiredInt(key);
}

double Config::Double(const std::string& key, double fallback) const {
  if (Unset(key)) return fallback;
  if (!at(key).is_number())
    throw ModelError(name_ + ": \"" + key + "\" must be a number, found " + at(key).dump());
  return at(key).get<double>();
}

std::string Config::String(const std::string& key, const std::string& fallback) const {
  if (Unset(key)) return fallback;
  if (!at(key).is_string())
    throw ModelError(name_ + ": \"" + key + "\" must be a string, found " + at(key).dump());
  return at(key).get<std::string>();
}

int64_t Config::RequiredInt(const std::string& key) const {
  const json& value = at(key);
  if (!value.is_number_integer())
    throw ModelError(name_ + ": \"" + key + "\" must be an integer, found " + value.dump());
  return value.get<int64_t>();
}

std::vector<int64_t> Config::RequiredInts(const std::string& key) const {
  const json& value = at(key);
  const auto is_integer = [](const json& item) { return item.is_number_integer(); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_integer)) {
    throw ModelError(name_ + ": \"" + key + "\" must be a list of integers, found " + value.dump());
  }
  return value.get<std::vector<int64_t>>();
}

std::vector<std::string> Config::RequiredStrings(const std::string& key) const {
  const json& value = at(key);
  const auto is_string = [](const json& item) { return item.is_string(); };
  if (!value.is_array() || !std::all_of(value.begin(), value.end(), is_string)) {
    throw ModelError(name_ + ": \"" + key + "\" must be a list of strings, found " + value.dump());
  }
  return value.get<std::vector<std::string>>();
}

void Config::Unsupported(const std::string& key, const std::string& supported) const {
  throw UnsupportedError(name_ + ": \"" + key + "\" is " + (Unset(key) ? "unset" : at(key).dump()) +
                         ", which is not supported; supported: " + supported);
}

}  // namespace mind::diffusion
