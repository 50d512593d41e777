#include "worker/diffusion/pipelines/picture_prompt_library.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/transformer_paths.h"

namespace mind::diffusion {
namespace {

// Pictures of one adapter: all with masks or none, and those without by one weight, for they are seen as one.
void ExpectAlike(const std::vector<PromptPicture>& pictures) {
  const PromptPicture& first = pictures.front();
  for (const PromptPicture& picture : pictures) {
    if (picture.mask.defined() != first.mask.defined())
      throw RequestError("pictures that are prompts of \"" + first.adapter + "\" have masks all or none");
    if (!picture.mask.defined() && (picture.weight != first.weight || picture.layers != first.layers)) {
      throw RequestError("pictures that are prompts of \"" + first.adapter +
                         "\" are seen as one without masks: give them one weight");
    }
  }
}

}  // namespace

PicturePromptLibrary::PicturePromptLibrary(const ModelDirectory& directory, const UNetConfig& unet,
                                           FileParameters::Options options)
    : options_(options) {
  const std::map<std::string, std::string> files = directory.PictureAdapters();
  if (files.empty()) return;
  const std::string folder = ModelDirectory::kPictureEncoder;
  encoder_ = std::make_unique<PictureEncoder>(directory, folder, options, folder);
  for (const auto& [name, file] : files) {
    prompters_[name] =
        std::make_unique<PicturePrompter>(ReadWeights(file), file, options, unet, encoder_->config());
  }
}

void PicturePromptLibrary::Tell(const std::vector<PromptPicture>& pictures,
                                Conditioning& conditioning) const {
  std::map<std::string, std::vector<PromptPicture>> by_adapter;
  for (const PromptPicture& picture : pictures) by_adapter[picture.adapter].push_back(picture);
  for (const auto& [adapter, own] : by_adapter) {
    const auto found = prompters_.find(adapter);
    if (found == prompters_.end())
      throw RequestError("this model takes no pictures as prompts through \"" + adapter + "\"");
    ExpectAlike(own);
    const PicturePrompt prompt = PromptOf(*found->second, own);
    PicturePrompt none = prompt;
    if (conditioning.rows.size() > 1) {
      const int64_t side = encoder_->config().image_size;
      const at::Tensor blank =
          at::zeros({1, 3, side, side}, at::TensorOptions().dtype(at::kFloat).device(options_.device));
      none.tokens = found->second->NoTokens(encoder_->States(blank)).expand_as(prompt.tokens);
    }
    for (Told& row : conditioning.rows) row.Add(&row == &conditioning.rows.back() ? prompt : none);
  }
}

PicturePrompt PicturePromptLibrary::PromptOf(const PicturePrompter& prompter,
                                             const std::vector<PromptPicture>& pictures) const {
  std::vector<at::Tensor> tokens, weights, masks;
  for (const PromptPicture& picture : pictures) {
    const at::Tensor pixels = encoder_->Pixels(picture.picture).unsqueeze(0);
    tokens.push_back(prompter.Tokens(encoder_->States(pixels)).squeeze(0));
    weights.push_back(WeightsOf(prompter, picture));
    if (picture.mask.defined()) masks.push_back((picture.mask >= 0.5).to(at::kFloat).squeeze(0));
  }
  PicturePrompt prompt;
  prompt.prompter = &prompter;
  prompt.tokens = at::stack(tokens);
  prompt.weights = at::stack(weights);
  if (!masks.empty()) prompt.masks = at::stack(masks).to(options_.device);
  return prompt;
}

at::Tensor PicturePromptLibrary::WeightsOf(const PicturePrompter& prompter,
                                           const PromptPicture& picture) const {
  std::vector<double> weights(prompter.layers().size(), picture.layers.empty() ? picture.weight : 0);
  for (const auto& [name, weight] : picture.layers) {
    bool found = false;
    for (const auto& [path, number] : prompter.layers()) {
      if (!IsIn(path, name)) continue;
      weights[number] = weight * picture.weight;
      found = true;
    }
    if (!found) throw RequestError("this model sees no pictures as prompts in the layer \"" + name + "\"");
  }
  return at::tensor(weights, at::kFloat).to(options_.device);
}

}  // namespace mind::diffusion
