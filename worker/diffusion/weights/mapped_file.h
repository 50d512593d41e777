// A file in memory, read-only, without reading it.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_MAPPED_FILE_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_MAPPED_FILE_H_

#include <memory>
#include <string>
#include <string_view>

namespace mind::diffusion {

// The mapping lives as long as the last copy of data(). Throws ModelError for a file that is missing,
// unreadable, empty or not a regular one.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);

  std::string_view bytes() const { return {data_.get(), size_}; }
  const std::shared_ptr<const char>& data() const { return data_; }

 private:
  std::shared_ptr<const char> data_;
  size_t size_ = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_MAPPED_FILE_H_
