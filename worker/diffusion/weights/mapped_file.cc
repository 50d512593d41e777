#include "worker/diffusion/weights/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

MappedFile::MappedFile(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw ModelError(path + ": cannot open: " + std::strerror(errno));
  struct stat info {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    throw ModelError(path + ": not a regular file");
  }
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) {
    close(fd);
    throw ModelError(path + ": the file is empty");
  }
  void* const address = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd, 0);
  const int error = errno;
  close(fd);
  if (address == MAP_FAILED) throw ModelError(path + ": cannot map: " + std::strerror(error));
  data_ = {static_cast<const char*>(address),
           [length = size_](const char* p) { munmap(const_cast<char*>(p), length); }};
}

}  // namespace mind::diffusion
