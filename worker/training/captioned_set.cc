#include "worker/training/captioned_set.h"

#include <algorithm>
#include <numeric>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::training {

using diffusion::ModelError;

namespace {

// Of each picture the number of a name, or -1; the names go to `names`. Empty where the file has none.
std::vector<int64_t> Numbers(const diffusion::Config& config, const std::string& key,
                             const std::string& names_key, int64_t count, std::vector<std::string>& names) {
  if (config.Unset(key)) return {};
  names = config.RequiredStrings(names_key);
  std::vector<int64_t> numbers = config.RequiredInts(key);
  const auto allowed = [&names](int64_t n) { return n >= -1 && n < static_cast<int64_t>(names.size()); };
  if (static_cast<int64_t>(numbers.size()) != count ||
      !std::all_of(numbers.begin(), numbers.end(), allowed)) {
    config.Unsupported(key, "one number a picture, of " + names_key + " or -1");
  }
  return numbers;
}

}  // namespace

at::Tensor CaptionedSet::OnWhite(const std::vector<int64_t>& examples) const {
  const at::Tensor chosen = pictures.index({at::tensor(examples, at::kLong)}).to(at::kFloat) / 255;
  const at::Tensor alpha = chosen.slice(1, 3, 4);
  return (chosen.slice(1, 0, 3) * alpha + (1 - alpha)) * 2 - 1;
}

std::vector<int64_t> Consecutive(int64_t begin, int64_t count) {
  std::vector<int64_t> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), begin);
  return numbers;
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
  const nlohmann::json json = diffusion::ReadJsonFile(captions_file);
  const nlohmann::json list = json.value("captions", nlohmann::json());
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
  const diffusion::Config config(json, captions_file);
  set.thing = Numbers(config, "thing", "things", set.count(), set.things);
  set.colour = Numbers(config, "colour", "colours", set.count(), set.colours);
  return set;
}

}  // namespace mind::training
