#include "worker/training/files.h"

#include <filesystem>
#include <fstream>

#include "worker/diffusion/error.h"

namespace mind::training {

void WriteFile(const std::string& path, std::string_view bytes) {
  const std::string beside = path + ".part";
  std::ofstream file(beside, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(beside, path, error);
  if (!file || error) throw diffusion::Error(path + ": cannot be written");
}

}  // namespace mind::training
