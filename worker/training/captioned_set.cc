#include "worker/training/captioned_set.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::training {

using diffusion::ModelError;

at::Tensor CaptionedSet::OnWhite(const std::vector<int64_t>& examples) const {
  const at::Tensor chosen = pictures.index({at::tensor(examples, at::kLong)}).to(at::kFloat) / 255;
  const at::Tensor alpha = chosen.slice(1, 3, 4);
  return (chosen.slice(1, 0, 3) * alpha + (1 - alpha)) * 2 - 1;
}

CaptionedSet ReadCaptionedFolder(const std::string& folder) {
  const std::string pictures_file = folder + "/pictures.safetensors",
                    captions_file = folder + "/captions.json";
  CaptionedSet set;
  const diffusion::SafeTensors file = diffusion::SafeTensors::Open(pictures_file);
  const at::Tensor pictures = file.Get("pictures");
  if (pictures.scalar_type() != at::kByte || pictures.dim() != 4 || pictures.size(1) != 4 ||
      pictures.numel() == 0)
    throw ModelError(pictures_file + ": \"pictures\" must be bytes [N, 4, H, W]");
  set.pictures = pictures.clone();
  const nlohmann::json list = diffusion::ReadJsonFile(captions_file).value("captions", nlohmann::json());
  if (!list.is_array() || static_cast<int64_t>(list.size()) != set.count()) {
    throw ModelError(captions_file + ": \"captions\" must be a list of " + std::to_string(set.count()) +
                     " lists, one a picture");
  }
  for (const auto& captions : list) {
    const bool strings =
        captions.is_array() && !captions.empty() &&
        std::all_of(captions.begin(), captions.end(), [](const auto& c) { return c.is_string(); });
    if (!strings)
      throw ModelError(captions_file + ": every picture needs one caption or more, found " + captions.dump());
    set.captions.push_back(captions.get<std::vector<std::string>>());
  }
  return set;
}

}  // namespace mind::training
