#include "worker/training/classifier.h"

#include <filesystem>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/files.h"
#include "worker/training/sample_sheet.h"

namespace mind::training {
namespace {

constexpr int64_t kShownClasses = 12;
// How far pictures are turned (radians), moved (of half the picture), enlarged, lit, and made noisy.
constexpr double kTurn = 0.15, kMove = 0.12, kEnlarge = 0.15, kLight = 0.15, kNoise = 0.1;

PictureClassifierConfig ConfigFor(const RunConfig& run, const CaptionedSet& set) {
  if (set.things.empty() || set.colours.empty())
    throw diffusion::ModelError("a classifier's captions.json must have things, colours, thing and colour");
  nlohmann::json network = run.network;
  network["extent"] = set.pictures.size(2);
  network["things"] = set.things;
  network["colours"] = set.colours;
  return PictureClassifierConfig::From(diffusion::Config(network, "network"));
}

}  // namespace

Classifier::Classifier(const RunConfig& config, CaptionedSet set, Parameters& parameters)
    : set_(std::move(set)),
      thing_(at::tensor(set_.thing, at::kLong)),
      colour_(at::tensor(set_.colour, at::kLong)),
      device_(parameters.device()),
      classifier_(diffusion::Scope(parameters), ConfigFor(config, set_)) {}

at::Tensor Classifier::Augmented(const std::vector<int64_t>& examples, StepRandom& random) const {
  const at::Tensor x = set_.OnWhite(examples);
  const int64_t rows = x.size(0);
  const auto spread = [&](double most) { return (random.Uniform({rows}) * 2 - 1) * most; };
  const at::Tensor turn = spread(kTurn), scale = 1 + spread(kEnlarge);
  const at::Tensor cosine = turn.cos() / scale, sine = turn.sin() / scale;
  const at::Tensor moves =
      at::stack({cosine, -sine, spread(kMove), sine, cosine, spread(kMove)}, 1).view({rows, 2, 3});
  const at::Tensor grid = at::affine_grid_generator(moves, x.sizes(), /*align_corners=*/false);
  // What comes in from outside is white, as the background.
  constexpr int64_t kBilinear = 0, kZeros = 0;
  const at::Tensor moved = at::grid_sampler(x - 1, grid, kBilinear, kZeros, false) + 1;
  // Now and then coarser, as pictures are that are not quite finished.
  const at::Tensor coarse = at::upsample_bilinear2d(at::avg_pool2d(moved, 2), x.sizes().slice(2), false);
  const at::Tensor blurred = (random.Uniform({rows, 1, 1, 1}) < 0.3).to(at::kFloat);
  const at::Tensor light = (1 + spread(kLight)).view({-1, 1, 1, 1});
  const at::Tensor noise = random.Normal(x.sizes()) * (random.Uniform({rows, 1, 1, 1}) * kNoise);
  return (((blurred * coarse + (1 - blurred) * moved) - 1) * light + 1 + noise).clamp(-1, 1).to(device_);
}

at::Tensor Classifier::Loss(const std::vector<int64_t>& examples, StepRandom& random) const {
  const at::Tensor rows = at::tensor(examples, at::kLong);
  const PictureClassifier::Output output = classifier_(Augmented(examples, random));
  const at::Tensor things = at::cross_entropy_loss(output.things, thing_.index({rows}).to(device_));
  const at::Tensor colours = colour_.index({rows});
  if ((colours < 0).all().item<bool>()) return things;
  return things + at::cross_entropy_loss(output.colours, colours.to(device_), {}, at::Reduction::Mean,
                                         /*ignore_index=*/-1);
}

void Classifier::WriteModel(const std::string& directory, const Tensors& parameters) const {
  std::filesystem::create_directories(directory);
  WriteFile(directory + "/model.safetensors", diffusion::SerializeSafeTensors(parameters));
  WriteFile(directory + "/config.json", classifier_.config().ToJson().dump(1) + "\n");
}

Tensors Classifier::ReadModel(const std::string& directory) const {
  return diffusion::ReadComponent(directory).tensors;
}

std::string Classifier::DrawSheet(const std::string&, int) const {
  std::vector<int64_t> examples;
  for (int64_t i = 0; i < 4 * kShownClasses; ++i) examples.push_back(i * set_.count() / (4 * kShownClasses));
  StepRandom random(0, 0, 0);
  std::vector<at::Tensor> shown;
  for (const at::Tensor& picture : Augmented(examples, random).unbind(0))
    shown.push_back(diffusion::ToBytes(picture / 2 + 0.5));
  return EncodeSheet(std::move(shown), kShownClasses);
}

}  // namespace mind::training
