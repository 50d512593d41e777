#include "worker/evaluation/judge.h"

#include <algorithm>

#include "worker/diffusion/error.h"

namespace mind::evaluation {
namespace {

int64_t NumberOf(const std::string& name, const std::vector<std::string>& names, const char* kind) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end())
    throw diffusion::Error("the classifier knows no " + std::string(kind) + " \"" + name + "\"");
  return found - names.begin();
}

}  // namespace

Judgement Judge(const training::PictureClassifier& classifier, const at::Tensor& pictures,
                const std::vector<Prompt>& prompts) {
  constexpr int64_t kFew = 5;
  const at::NoGradGuard no_grad;
  const auto& config = classifier.config();
  const at::Tensor seen =
      at::upsample_bilinear2d(pictures, {config.extent, config.extent}, /*align_corners=*/false);
  Judgement judgement;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto output = classifier(seen.slice(0, static_cast<int64_t>(i), static_cast<int64_t>(i) + 1));
    if (!prompts[i].thing.empty()) {
      const int64_t wanted = NumberOf(prompts[i].thing, config.things, "thing");
      const at::Tensor logits = output.things[0];
      const int64_t likelier = (logits > logits[wanted]).sum().item<int64_t>();
      ++judgement.things;
      judgement.first += likelier == 0;
      judgement.among_five += likelier < kFew;
    }
    if (!prompts[i].colour.empty()) {
      ++judgement.colours;
      judgement.right_colours +=
          output.colours[0].argmax().item<int64_t>() == NumberOf(prompts[i].colour, config.colours, "colour");
    }
  }
  return judgement;
}

}  // namespace mind::evaluation
