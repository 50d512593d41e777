// What a run of mind-train is: a JSON file. docs/training.md has an example of every kind.
#ifndef MIND_WORKER_TRAINING_RUN_CONFIG_H_
#define MIND_WORKER_TRAINING_RUN_CONFIG_H_

#include <nlohmann/json.hpp>
#include <string>

#include "worker/training/adam_w.h"
#include "worker/training/autocast.h"
#include "worker/training/average.h"
#include "worker/training/captioned_set.h"
#include "worker/training/learning_rate.h"
#include "worker/training/picture_set.h"
#include "worker/training/reconstruction_loss.h"

namespace mind::training {

struct RunConfig {
  enum class Kind { kClassDiffusion, kAutoencoder, kTextDiffusion, kUpscaling, kClassifier, kDecoder };

  Kind kind = Kind::kClassDiffusion;
  nlohmann::json data;     // "format": idx | cifar10 | captioned, and its files
  nlohmann::json network;  // the configuration of the model to be: see the objectives

  // The report's defaults.
  int64_t steps = 800'000;
  int64_t batch = 128;
  LearningRate learning_rate;
  AdamW::Options optimizer;
  Average::Options average{.decay = 0.9999, .start = 2000};
  int64_t log_every = 1000;
  int64_t checkpoint_every = 1000;
  int64_t sample_every = 10'000;  // 0: only at the end
  int64_t sample_steps = 0;       // 0: the model's default
  std::string sampler;            // of the sample sheets; empty: the model's default
  uint64_t seed = 0;
  Precision precision = Precision::kFloat;
  double embedding_deviation = 1;  // of embeddings at the beginning
  std::string start_from;          // a model directory to begin with; empty: random numbers

  // Autoencoders and decoders.
  ReconstructionLoss::Options reconstruction;
  double kl_weight = 1.7e-4;  // of autoencoders
  // Text diffusion and upscaling.
  double text_dropout = 0.1;
  double min_snr = 0;                // 0: no weighting; usual: 5
  std::vector<std::string> prompts;  // of the sample sheets
  // Decoders and upscaling.
  int64_t crop = 0;  // latents a side of the squares that are learnt from; 0: whole pictures

  // Keys that are not there keep their defaults; a key nobody knows is refused. Throws diffusion::ModelError
  // naming file, key and what is allowed.
  static RunConfig From(const std::string& path);
  // What decides the course of the run, as one line: the rest may change when it goes on.
  std::string Identity() const;
};

// The examples a run learns from. Paths in it are as given. Throw diffusion::ModelError.
PictureSet ReadLabelled(const RunConfig& config);
CaptionedSet ReadCaptioned(const RunConfig& config);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_RUN_CONFIG_H_
