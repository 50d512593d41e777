#include "worker/training/objective.h"

#include "worker/training/autoencoder.h"
#include "worker/training/class_diffusion.h"
#include "worker/training/classifier.h"
#include "worker/training/decoder.h"
#include "worker/training/text_diffusion.h"
#include "worker/training/upscaling.h"

namespace mind::training {

std::unique_ptr<Objective> MakeObjective(const RunConfig& config, Parameters& parameters) {
  switch (config.kind) {
    case RunConfig::Kind::kAutoencoder:
      return std::make_unique<Autoencoder>(config, ReadCaptioned(config), parameters);
    case RunConfig::Kind::kDecoder:
      return std::make_unique<Decoder>(config, ReadCaptioned(config), parameters);
    case RunConfig::Kind::kTextDiffusion:
      return std::make_unique<TextDiffusion>(config, ReadCaptioned(config), parameters);
    case RunConfig::Kind::kUpscaling:
      return std::make_unique<Upscaling>(config, ReadCaptioned(config), parameters);
    case RunConfig::Kind::kClassifier:
      return std::make_unique<Classifier>(config, ReadCaptioned(config), parameters);
    case RunConfig::Kind::kClassDiffusion:
      break;
  }
  return std::make_unique<ClassDiffusion>(config, ReadLabelled(config), parameters);
}

}  // namespace mind::training
