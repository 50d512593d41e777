// A folder of a test's own, gone when the test is.
#ifndef MIND_TESTS_SUPPORT_TEMPORARY_FOLDER_H_
#define MIND_TESTS_SUPPORT_TEMPORARY_FOLDER_H_

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace mind::support {

class TemporaryFolder {
 public:
  TemporaryFolder() : TemporaryFolder(std::filesystem::temp_directory_path()) {}
  // In another folder than the system's. Throws std::system_error where none can be made.
  explicit TemporaryFolder(const std::filesystem::path& parent) {
    std::string pattern = (parent / "mind-test-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::generic_category(), pattern);
    path_ = pattern;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string string() const { return path_.string(); }
  std::filesystem::path operator/(const std::filesystem::path& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_TEMPORARY_FOLDER_H_
