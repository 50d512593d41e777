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

const std::string& Likeliest(const at::Tensor& logits, const std::vector<std::string>& names) {
  return names.at(static_cast<size_t>(logits.argmax().item<int64_t>()));
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
    const at::Tensor things = output.things[0], colours = output.colours[0];
    Verdict verdict{.thing = Likeliest(things, config.things), .colour = Likeliest(colours, config.colours)};
    if (!prompts[i].thing.empty()) {
      const at::Tensor wanted = things[NumberOf(prompts[i].thing, config.things, "thing")];
      verdict.likelier_things = (things > wanted).sum().item<int64_t>();
      ++judgement.things;
      judgement.first += *verdict.likelier_things == 0;
      judgement.among_five += *verdict.likelier_things < kFew;
    }
    if (!prompts[i].colour.empty()) {
      NumberOf(prompts[i].colour, config.colours, "colour");
      verdict.right_colour = verdict.colour == prompts[i].colour;
      ++judgement.colours;
      judgement.right_colours += *verdict.right_colour;
    }
    judgement.verdicts.push_back(std::move(verdict));
  }
  return judgement;
}

}  // namespace mind::evaluation
