#include "worker/diffusion/golden/stored_as.h"

#include <stdlib.h>

#include <fstream>

#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

void Convert(const fs::path& from, const fs::path& to, at::ScalarType dtype) {
  std::map<std::string, at::Tensor> tensors = SafeTensors::Open(from.string()).tensors();
  for (auto& [name, tensor] : tensors) {
    // A name without a scope is of no layer: a DDPM's noise schedule, which is never stored so coarsely.
    if (tensor.is_floating_point() && name.find('.') != std::string::npos) tensor = tensor.to(dtype);
  }
  std::ofstream(to, std::ios::binary) << SerializeSafeTensors(tensors);
}

}  // namespace

StoredAs::StoredAs(const fs::path& golden, at::ScalarType dtype) {
  std::string pattern = (fs::temp_directory_path() / "mind-golden-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
  const fs::path root = fs::absolute(golden);
  for (const auto& entry : fs::directory_iterator(root)) {
    if (entry.path().filename() != "models")
      fs::create_symlink(entry.path(), path_ / entry.path().filename());
  }
  for (const auto& entry : fs::recursive_directory_iterator(root / "models")) {
    const fs::path target = path_ / fs::relative(entry.path(), root);
    if (entry.is_directory()) {
      fs::create_directories(target);
    } else if (entry.path().extension() == ".safetensors") {
      Convert(entry.path(), target, dtype);
    } else {
      fs::create_symlink(entry.path(), target);
    }
  }
}

StoredAs::~StoredAs() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace mind::diffusion
