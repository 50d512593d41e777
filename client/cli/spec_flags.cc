#include "client/cli/spec_flags.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mind::cli {
namespace {

// FROM-TO, shares of the steps.
template <typename Interval>
FlagReader StepsFlag(std::function<Interval*()> interval) {
  return [interval = std::move(interval)](const std::string& text) -> std::string {
    const std::vector<std::string> bounds = absl::StrSplit(text, '-');
    double begin = 0, end = 1;
    if (bounds.size() != 2 || !absl::SimpleAtod(bounds[0], &begin) || !absl::SimpleAtod(bounds[1], &end))
      return absl::StrCat("\"", text, "\" is not FROM-TO, such as 0.2-0.8");
    interval()->set_begin(begin);
    interval()->set_end(end);
    return "";
  };
}

}  // namespace

void AddFurtherPromptFlags(CLI::App& app, v1::ImageSpec& spec) {
  AddFlag(app, "--prompt-2", "TEXT", Text([&spec](auto& v) { spec.set_prompt_2(v); }),
          "What the model's second text encoder reads, if not PROMPT");
  AddFlag(app, "--negative-2", "TEXT", Text([&spec](auto& v) { spec.set_negative_prompt_2(v); }),
          "Likewise, if not --negative");
  AddFlag(app, "--prompt-3", "TEXT", Text([&spec](auto& v) { spec.set_prompt_3(v); }),
          "What its third reads, if not PROMPT");
  AddFlag(app, "--negative-3", "TEXT", Text([&spec](auto& v) { spec.set_negative_prompt_3(v); }),
          "Likewise, if not --negative");
}

void AddGuidanceFlags(CLI::App& app, v1::ImageSpec& spec) {
  AddFlag(app, "--guidance", "N", Real([&spec](auto v) { spec.set_guidance(v); }),
          "How closely to follow the prompt; 1 is not at all");
  AddFlag(app, "--guidance-rescale", "N", Real([&spec](auto v) { spec.set_guidance_rescale(v); }),
          "Draws back the contrast that guidance adds, 0 to 1");
  AddFlag(app, "--guidance-interval", "FROM-TO",
          StepsFlag<v1::GuidanceInterval>([&spec] { return spec.mutable_guidance_interval(); }),
          "Guide in the steps from FROM to TO of 1 only: 0.2-0.8 saves two fifths of what guidance costs");
  AddFlag(app, "--projected-eta", "N",
          Real([&spec](auto v) { spec.mutable_projected_guidance()->set_eta(v); }),
          "How much of what guidance adds along what is there already, 0 to 1; less of it: softer colours");
  AddFlag(app, "--projected-norm", "N",
          Real([&spec](auto v) { spec.mutable_projected_guidance()->set_norm_threshold(v); }),
          "The most that guidance adds, as a Euclidean norm");
  AddFlag(app, "--projected-momentum", "N",
          Real([&spec](auto v) { spec.mutable_projected_guidance()->set_momentum(v); }),
          "Of what guidance added before, how much it adds again, -1 to 1; below 0 it leads away from that");
  AddFlag(app, "--picture-guidance", "N", Real([&spec](auto v) { spec.set_picture_guidance(v); }),
          "How closely a model that changes pictures stays with --image");
  AddFlag(app, "--prior-guidance", "N", Real([&spec](auto v) { spec.set_prior_guidance(v); }),
          "How closely a prior's embedding of the picture follows the prompt");
  AddFlag(app, "--scorer", "SCALE", Real([&spec](auto v) { spec.mutable_scorer_guidance()->set_scale(v); }),
          "How far to follow the gradient of the model's scorer, such as CLIP; see `mind models`");
  AddFlag(app, "--scorer-target", "TEXT",
          Text([&spec](auto& v) { spec.mutable_scorer_guidance()->set_target(v); }),
          "The text or class that it leads towards; the prompt, or --class, if left out");
  AddFlag(app, "--perturbed", "N", Real([&spec](auto v) { spec.mutable_perturbed_guidance()->set_scale(v); }),
          "How far to lead away from what the model makes where layers look at nothing, or are left out; see "
          "--perturbed-layer");
  AddRepeatedFlag(
      app, "--perturbed-layer", "NAME",
      Text([&spec](auto& v) { spec.mutable_perturbed_guidance()->add_layers(v); }),
      "Which layers those are, by the beginning of their names; mid if left out. May be given again");
  AddFlag(app, "--perturbed-interval", "FROM-TO", StepsFlag<v1::PerturbedInterval>([&spec] {
            return spec.mutable_perturbed_guidance()->mutable_interval();
          }),
          "In which steps, between FROM and TO of 1; the model's own if left out, such as 0.01-0.2 of Stable "
          "Diffusion 3");
}

}  // namespace mind::cli
