// What the fuzz targets share.
#ifndef MIND_TESTS_FUZZ_FUZZ_H_
#define MIND_TESTS_FUZZ_FUZZ_H_

#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "worker/diffusion/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace mind::fuzz {

inline std::string_view Text(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Bad bytes may be answered with an error meant for people, and with nothing else.
template <typename Work>
void AllowingErrors(const Work& work) {
  try {
    work();
  } catch (const diffusion::Error&) {
  }
}

// A folder in memory for readers that want files.
class Folder {
 public:
  Folder() {
    char name[] = "/dev/shm/mind-fuzz-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }

  void Write(const std::string& name, std::string_view bytes) const {
    std::ofstream(path_ + "/" + name, std::ios::binary) << bytes;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The input's part before the first zero byte, and the rest.
inline std::pair<std::string_view, std::string_view> Halves(std::string_view text) {
  const size_t zero = text.find('\0');
  if (zero == std::string_view::npos) return {text, {}};
  return {text.substr(0, zero), text.substr(zero + 1)};
}

}  // namespace mind::fuzz

#endif  // MIND_TESTS_FUZZ_FUZZ_H_
