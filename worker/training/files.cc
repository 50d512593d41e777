#include "worker/training/files.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "worker/diffusion/error.h"

namespace mind::training {
namespace {

namespace fs = std::filesystem;

// Whether what was written there, a file's bytes or a folder's names, is on the disk.
bool OnDisk(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  const bool done = fsync(file) == 0;
  return close(file) == 0 && done;
}

// Likewise a folder with all that is in it, whoever wrote it there.
bool AllOnDisk(const std::string& folder) {
  bool done = OnDisk(folder);
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error);
       !error && entry != fs::recursive_directory_iterator(); entry.increment(error)) {
    done = OnDisk(entry->path().string()) && done;
  }
  return done && !error;
}

std::string FolderOf(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// Two names of one file system, at once: there is no moment without either.
bool Exchange(const std::string& one, const std::string& other) {
  constexpr unsigned kExchange = 1u << 1;  // RENAME_EXCHANGE
  return syscall(SYS_renameat2, AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), kExchange) == 0;
}

}  // namespace

void WriteFile(const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".part";
  std::ofstream file(beside, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  std::error_code error;
  const bool written = file && OnDisk(beside);
  if (written) fs::rename(beside, path, error);
  if (!written || error || !OnDisk(FolderOf(path))) throw diffusion::Error(path + ": cannot be written");
}

void WriteFolder(const std::string& path, const std::function<void(const std::string& beside)>& fill) {
  const std::string beside = path + ".part";
  std::error_code error;
  fs::remove_all(beside, error);
  if (!fs::create_directories(beside, error)) throw diffusion::Error(path + ": cannot be written");
  fill(beside);
  if (!AllOnDisk(beside)) throw diffusion::Error(path + ": cannot be written");
  bool moved = false;
  if (fs::exists(path, error)) {
    moved = Exchange(beside, path);
    if (!moved) {  // a file system that cannot: for a moment there is neither
      fs::remove_all(path, error);
      fs::rename(beside, path, error);
      moved = !error;
    }
    if (moved) fs::remove_all(beside, error);  // else it is all there is
  } else {
    fs::rename(beside, path, error);
    moved = !error;
  }
  if (!moved || !OnDisk(FolderOf(path))) throw diffusion::Error(path + ": cannot be written");
}

}  // namespace mind::training
