// mind-eval: how good a model's pictures are. docs/evaluation.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "worker/diffusion/blas.h"
#include "worker/diffusion/error.h"
#include "worker/evaluation/distances.h"
#include "worker/evaluation/features.h"
#include "worker/evaluation/judge.h"
#include "worker/evaluation/pictures.h"
#include "worker/training/autoencoder.h"
#include "worker/training/captioned_set.h"
#include "worker/training/files.h"

namespace {

using namespace mind;
using namespace mind::evaluation;

struct Options {
  Service service;
  std::string pictures, prompts, autoencoder, reference, features, classifier, sheet;
  int64_t columns = 8;
};

// Pictures and what they are to show, as far as it is known.
struct Shown {
  at::Tensor pictures;  // float [N, 3, H, W] from -1 to 1
  std::vector<Prompt> prompts = {};
};

// A folder of picture files, or one of captioned pictures as mind-train reads them.
Shown ReadPictures(const std::string& folder) {
  if (!std::filesystem::exists(folder + "/captions.json")) return {FromFolder(folder)};
  const training::CaptionedSet set = training::ReadCaptionedFolder(folder);
  return {set.OnWhite(training::Consecutive(0, set.count())), LabelsOf(set)};
}

// The reference's pictures, there and back.
at::Tensor ThroughAutoencoder(const std::string& folder, const at::Tensor& pictures) {
  constexpr int64_t kChunk = 32;
  const diffusion::AutoencoderKl autoencoder = training::ReadAutoencoder(folder, at::kCPU);
  std::vector<at::Tensor> made;
  for (int64_t begin = 0; begin < pictures.size(0); begin += kChunk) {
    const at::Tensor moments = autoencoder.EncodeMoments(pictures.slice(0, begin, begin + kChunk));
    made.push_back(autoencoder.Decode(moments.chunk(2, 1)[0]).clamp(-1, 1));
  }
  return at::cat(made);
}

Shown PicturesOf(const Options& options) {
  std::vector<Prompt> prompts =
      options.prompts.empty() ? std::vector<Prompt>() : ReadPrompts(options.prompts);
  if (options.pictures.empty() && options.autoencoder.empty())
    return {FromService(options.service, prompts), prompts};
  Shown shown = ReadPictures(options.pictures.empty() ? options.reference : options.pictures);
  if (!options.autoencoder.empty()) shown.pictures = ThroughAutoencoder(options.autoencoder, shown.pictures);
  if (!prompts.empty()) shown.prompts = std::move(prompts);
  return shown;
}

void Print(const char* what, double value, const char* unit) {
  std::printf("%-28s %10.4g %s\n", what, value, unit);
}

void PrintShare(const char* what, int64_t right, int64_t of) {
  if (of > 0)
    std::printf("%-28s %9.1f %% (%ld of %ld)\n", what,
                100.0 * static_cast<double>(right) / static_cast<double>(of), static_cast<long>(right),
                static_cast<long>(of));
}

void Evaluate(const Options& options) {
  const at::NoGradGuard no_grad;
  const int sources = !options.pictures.empty() + !options.autoencoder.empty();
  if (sources > 1 || (sources == 0 && options.prompts.empty()))
    throw diffusion::Error("either --prompts, --pictures or --autoencoder is needed");
  if (!options.autoencoder.empty() && options.reference.empty())
    throw diffusion::Error("--autoencoder needs --reference, the pictures to put through it");
  const auto [pictures, prompts] = PicturesOf(options);
  std::printf("%-28s %10ld of %ldx%ld\n", "pictures", static_cast<long>(pictures.size(0)),
              static_cast<long>(pictures.size(3)), static_cast<long>(pictures.size(2)));
  if (!options.sheet.empty()) training::WriteFile(options.sheet, ContactSheet(pictures, options.columns));

  if (!options.classifier.empty() && !prompts.empty()) {
    if (static_cast<int64_t>(prompts.size()) != pictures.size(0))
      throw diffusion::Error("there must be as many prompts as pictures");
    const Judgement judgement = Judge(*training::ReadClassifier(options.classifier), pictures, prompts);
    PrintShare("thing is the likeliest", judgement.first, judgement.things);
    PrintShare("thing is among the first 5", judgement.among_five, judgement.things);
    PrintShare("colour is right", judgement.right_colours, judgement.colours);
  }
  if (options.reference.empty()) return;
  const std::unique_ptr<const FeatureExtractor> extractor =
      !options.features.empty() ? ReadTorchScript(options.features) : ClassifierFeatures(options.classifier);
  const at::Tensor reference = ReadPictures(options.reference).pictures;
  const at::Tensor x = FeaturesOf(*extractor, pictures), y = FeaturesOf(*extractor, reference);
  if (x.size(0) < 2 || y.size(0) < 2)
    throw diffusion::Error("distances need two pictures and more on either side");
  const std::string about =
      "by " + extractor->name() + ", " + std::to_string(y.size(0)) + " reference pictures";
  Print("Frechet distance (FID)", FrechetDistance(x, y), about.c_str());
  Print("kernel distance (KID)", KernelDistance(x, y), about.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  mind::ChooseBlasKernels(argv);
  CLI::App app(
      "How good a model's pictures are: distances from a reference (FID, KID), and whether they show what "
      "was asked for.");
  Options options;
  app.add_option("--server", options.service.server, "HOST:PORT of the server that makes the pictures")
      ->envname("MIND_SERVER")
      ->capture_default_str();
  app.add_option("--model", options.service.model, "Model name; may be left out if there is only one");
  app.add_option("--steps", options.service.steps, "Instead of the model's default");
  app.add_option("--guidance", options.service.guidance, "Instead of the model's default");
  app.add_option("--sampler", options.service.sampler, "Instead of the model's default");
  app.add_option("--seed", options.service.seed, "Of the first picture; each has the next")
      ->capture_default_str();
  app.add_option("--prompts", options.prompts, "File of lines: prompt <tab> thing <tab> colour");
  app.add_option("--pictures", options.pictures,
                 "Folder of pictures, or of captioned ones, to judge instead of a server's");
  app.add_option("--autoencoder", options.autoencoder,
                 "Folder of an autoencoder (vae/): judge what becomes of the reference's pictures in it");
  app.add_option("--reference", options.reference,
                 "Folder of pictures, or of captioned ones, to measure the distance from");
  CLI::Option* const classifier =
      app.add_option("--classifier", options.classifier, "Folder of a classifier that mind-train wrote");
  CLI::Option* const features = app.add_option("--features", options.features,
                                               "TorchScript file that gives features, such as InceptionV3's");
  app.add_option("--sheet", options.sheet, "PNG file for all pictures side by side");
  app.add_option("--columns", options.columns, "Of the sheet")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.set_version_flag("--version", MIND_VERSION);
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.reference.empty() && features->count() + classifier->count() == 0)
      throw diffusion::Error("--reference needs --features or --classifier to see pictures with");
    Evaluate(options);
  } catch (const c10::Error& e) {
    std::fprintf(stderr, "mind-eval: %s\n", e.what_without_backtrace());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mind-eval: %s\n", e.what());
    return 1;
  }
  return 0;
}
