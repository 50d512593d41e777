// mind-eval: how good a model's pictures are. docs/evaluation.md.
#include <cstdio>

#include "proto/support/command_line.h"
#include "worker/diffusion/blas.h"
#include "worker/diffusion/error.h"
#include "worker/evaluation/distances.h"
#include "worker/evaluation/features.h"
#include "worker/evaluation/findings.h"
#include "worker/evaluation/judge.h"
#include "worker/evaluation/pictures.h"
#include "worker/evaluation/subject.h"
#include "worker/training/files.h"

namespace {

using namespace mind;
using namespace mind::evaluation;

struct Options {
  Service service;
  std::vector<std::string> models, pictures, autoencoders;
  std::string prompts, reference, features, classifier, sheet, verdicts;
  int64_t columns = 8;
};

void Expect(const Options& options) {
  const bool served = options.pictures.empty() && options.autoencoders.empty();
  if (options.prompts.empty() && (served || !options.models.empty()))
    throw diffusion::Error(served ? "either --prompts, --pictures or --autoencoder is needed"
                                  : "--model needs --prompts, what to ask it for");
  if (!options.autoencoders.empty() && options.reference.empty())
    throw diffusion::Error("--autoencoder needs --reference, the pictures to put through it");
  if (!options.reference.empty() && options.features.empty() && options.classifier.empty())
    throw diffusion::Error("--reference needs --features or --classifier to see pictures with");
  if (!options.verdicts.empty() && options.classifier.empty())
    throw diffusion::Error("--verdicts needs --classifier, whose they are");
}

std::vector<Subject> SubjectsOf(const Options& options, const Subject& reference) {
  std::vector<Subject> subjects;
  const std::vector<Prompt> prompts =
      options.prompts.empty() ? std::vector<Prompt>() : ReadPrompts(options.prompts);
  for (const std::string& model : options.models) {
    Service service = options.service;
    service.model = model;
    subjects.push_back({model, FromService(service, prompts), prompts});
  }
  if (options.models.empty() && options.pictures.empty() && options.autoencoders.empty())
    subjects.push_back({"the only model", FromService(options.service, prompts), prompts});
  for (const std::string& folder : options.pictures) {
    subjects.push_back(ReadFolder(folder));
    if (!prompts.empty()) subjects.back().prompts = prompts;
  }
  for (const std::string& folder : options.autoencoders)
    subjects.push_back(ThroughAutoencoder(folder, reference));
  return subjects;
}

void Evaluate(const Options& options) {
  const at::NoGradGuard no_grad;
  Expect(options);
  const Subject reference = options.reference.empty() ? Subject() : ReadFolder(options.reference);
  const std::vector<Subject> subjects = SubjectsOf(options, reference);
  const std::unique_ptr<const training::PictureClassifier> classifier =
      options.classifier.empty() ? nullptr : training::ReadClassifier(options.classifier);
  std::unique_ptr<const FeatureExtractor> extractor;
  at::Tensor expected;
  if (reference.pictures.defined()) {
    extractor =
        options.features.empty() ? ClassifierFeatures(options.classifier) : ReadTorchScript(options.features);
    expected = FeaturesOf(*extractor, reference.pictures);
  }

  std::vector<Findings> findings;
  std::vector<at::Tensor> shown;
  for (const auto& [name, pictures, prompts] : subjects) {
    Findings found{.subject = name,
                   .pictures = pictures.size(0),
                   .width = pictures.size(3),
                   .height = pictures.size(2),
                   .prompts = prompts};
    if (classifier && !prompts.empty()) {
      if (static_cast<int64_t>(prompts.size()) != found.pictures)
        throw diffusion::Error(name + ": there must be as many prompts as pictures");
      found.judgement = Judge(*classifier, pictures, prompts);
    }
    if (extractor) {
      if (found.pictures < 2 || expected.size(0) < 2)
        throw diffusion::Error("distances need two pictures and more on either side");
      const at::Tensor features = FeaturesOf(*extractor, pictures);
      found.fid = FrechetDistance(features, expected);
      found.kid = KernelDistance(features, expected);
    }
    findings.push_back(std::move(found));
    shown.push_back(pictures);
  }
  std::fputs(Table(findings).c_str(), stdout);
  if (extractor)
    std::printf("\nFID and KID by %s, from %ld pictures of %s.\n", extractor->name().c_str(),
                static_cast<long>(expected.size(0)), options.reference.c_str());
  if (!options.verdicts.empty()) training::WriteFile(options.verdicts, VerdictLines(findings));
  if (!options.sheet.empty()) training::WriteFile(options.sheet, ContactSheet(shown, options.columns));
}

}  // namespace

int main(int argc, char** argv) {
  mind::ChooseBlasKernels(argv);
  CLI::App app(
      "How good models' pictures are: distances from a reference (FID, KID), and whether they show what was "
      "asked for. A row each of --model, --pictures and --autoencoder, all of which may be given several "
      "times.");
  SetUpCommandLine(app);
  Options options;
  Service& service = options.service;
  GiveTwin(AddText(app, "--server", service.server, "HOST:PORT", "The server that makes the pictures"));
  AddTexts(app, "--model", options.models, "NAME", "May be left out if there is only one");
  AddFlag(app, "--steps", "N", Number<uint32_t>([&service](uint32_t v) { service.steps = v; }),
          "Instead of the model's default");
  AddFlag(app, "--guidance", "N", Number<double>([&service](double v) { service.guidance = v; }),
          "Instead of the model's default");
  AddText(app, "--sampler", service.sampler, "NAME", "Instead of the model's default");
  AddNumber<uint64_t>(app, "--seed", service.seed, 0, std::numeric_limits<uint64_t>::max(),
                      "Of the first picture; each has the next");
  AddText(app, "--prompts", options.prompts, "FILE", "Of lines: prompt <tab> thing <tab> colour");
  AddTexts(app, "--pictures", options.pictures, "DIR", "Pictures, or captioned ones");
  AddTexts(app, "--autoencoder", options.autoencoders, "DIR",
           "An autoencoder (vae/): what becomes of the reference's pictures in it");
  AddText(app, "--reference", options.reference, "DIR",
          "Pictures, or captioned ones, to measure the distance from");
  AddText(app, "--classifier", options.classifier, "DIR", "A classifier that mind-train wrote");
  AddText(app, "--features", options.features, "FILE",
          "TorchScript that gives features, such as InceptionV3's");
  AddText(app, "--verdicts", options.verdicts, "FILE",
          "For what the classifier says of every picture, parted by tabs");
  AddText(app, "--sheet", options.sheet, "FILE",
          "PNG for all pictures side by side, those of the same prompt below one another");
  AddNumber<int64_t>(app, "--columns", options.columns, 1, 100, "Of the sheet");
  ParseCommandLine(app, argc, argv);
  try {
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
