// JSON configuration files as the model repositories write them.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_JSON_FILE_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_JSON_FILE_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace mind::diffusion {

// A JSON object. Accepts what Python's json module writes beyond the standard: NaN, Infinity and -Infinity
// (read as null, which every caller treats as "not set": the places where they occur are defaults). Throws
// ModelError.
nlohmann::json ReadJsonFile(const std::string& path);
nlohmann::json ParsePythonJson(std::string_view text, const std::string& name);

// A configuration object with typed access: errors name the file, the key, what was found and what is wanted.
class Config {
 public:
  Config(nlohmann::json object, std::string name) : object_(std::move(object)), name_(std::move(name)) {}
  static Config FromFile(const std::string& path) { return Config(ReadJsonFile(path), path); }

  bool empty() const { return object_.empty(); }
  // Absent or null.
  bool Unset(const std::string& key) const { return !object_.contains(key) || object_.at(key).is_null(); }
  bool Null(const std::string& key) const { return object_.contains(key) && object_.at(key).is_null(); }
  const nlohmann::json& at(const std::string& key) const;  // REQUIRES: !Unset(key)

  // The value, or `fallback` where unset. Throws ModelError on another type.
  bool Bool(const std::string& key, bool fallback) const;
  int64_t Int(const std::string& key, int64_t fallback) const;
  double Double(const std::string& key, double fallback) const;
  std::string String(const std::string& key, const std::string& fallback) const;
  // The value; throws ModelError where unset.
  int64_t RequiredInt(const std::string& key) const;
  std::vector<int64_t> RequiredInts(const std::string& key) const;
  std::vector<std::string> RequiredStrings(const std::string& key) const;

  // Throws UnsupportedError saying that `key` has a value this program does not support, and what it does
  // support.
  [[noreturn]] void Unsupported(const std::string& key, const std::string& supported) const;

  const std::string& name() const { return name_; }

 private:
  nlohmann::json object_;
  std::string name_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_JSON_FILE_H_
