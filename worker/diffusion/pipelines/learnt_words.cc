#include "worker/diffusion/pipelines/learnt_words.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {

std::vector<std::string> LearntWords::words() const {
  std::vector<std::string> words;
  for (const auto& [word, path] : files_) words.push_back(word);
  return words;
}

at::Tensor LearntWords::VectorsOf(const std::string& word) const {
  return vectors_.Get(word, [&] { return Read(files_.at(word)); });
}

at::Tensor LearntWords::Read(const std::string& path) const {
  const NamedTensors file = ReadWeights(path);
  auto found = file.tensors.find(part_);
  // A1111 names them emb_params, diffusers by the word: whatever the name of the only ones.
  if (found == file.tensors.end() && file.tensors.size() == 1) found = file.tensors.begin();
  if (found == file.tensors.end())
    throw ModelError(path + ": neither vectors named \"" + part_ + "\" nor one tensor alone");
  const at::Tensor vectors = found->second.dim() == 1 ? found->second.unsqueeze(0) : found->second;
  if (vectors.dim() != 2 || vectors.size(0) < 1 || vectors.size(1) != width_ ||
      !vectors.is_floating_point()) {
    throw ModelError(path + ": \"" + found->first + "\" has shape " + ShapeText(found->second.sizes()) +
                     ", vectors of " + std::to_string(width_) + " numbers are needed");
  }
  // Copied: the file may change under its mapping.
  return vectors.to(options_.tensor(), /*non_blocking=*/false, /*copy=*/true);
}

}  // namespace mind::diffusion
