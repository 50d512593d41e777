// The golden directory with its models' weights stored in another type, as people publish them.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_STORED_AS_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_STORED_AS_H_

#include <ATen/ATen.h>

#include <filesystem>

namespace mind::diffusion {

// A temporary directory like `golden`, for as long as this lives: the safetensors files under models/
// converted to `dtype`, all else linked.
class StoredAs {
 public:
  StoredAs(const std::filesystem::path& golden, at::ScalarType dtype);
  ~StoredAs();
  StoredAs(const StoredAs&) = delete;
  StoredAs& operator=(const StoredAs&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_STORED_AS_H_
