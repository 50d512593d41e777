#include "worker/evaluation/subject.h"

#include <filesystem>

#include "worker/evaluation/pictures.h"
#include "worker/training/autoencoder.h"
#include "worker/training/captioned_set.h"

namespace mind::evaluation {

Subject ReadFolder(const std::string& folder) {
  if (!std::filesystem::exists(folder + "/captions.json")) return {folder, FromFolder(folder)};
  const training::CaptionedSet set = training::ReadCaptionedFolder(folder);
  return {folder, set.OnWhite(training::Consecutive(0, set.count())), LabelsOf(set)};
}

Subject ThroughAutoencoder(const std::string& folder, const Subject& subject) {
  constexpr int64_t kChunk = 32;
  const diffusion::AutoencoderKl autoencoder = training::ReadAutoencoder(folder, at::kCPU);
  std::vector<at::Tensor> made;
  for (int64_t begin = 0; begin < subject.pictures.size(0); begin += kChunk) {
    const at::Tensor moments = autoencoder.EncodeMoments(subject.pictures.slice(0, begin, begin + kChunk));
    made.push_back(autoencoder.Decode(moments.chunk(2, 1)[0]).clamp(-1, 1));
  }
  return {folder, at::cat(made), subject.prompts};
}

}  // namespace mind::evaluation
