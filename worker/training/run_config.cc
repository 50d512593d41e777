#include "worker/training/run_config.h"

#include <map>
#include <set>

#include "worker/diffusion/weights/json_file.h"

namespace mind::training {
namespace {

using diffusion::Config;

// What every objective takes.
const std::set<std::string> kKeys = {"objective",    "data",         "network",       "start_from",
                                     "steps",        "batch",        "learning_rate", "warm_up",
                                     "schedule",     "weight_decay", "beta1",         "beta2",
                                     "ema_decay",    "ema_start",    "log_every",     "checkpoint_every",
                                     "sample_every", "seed",         "precision"};

struct KindOfRun {
  RunConfig::Kind kind;
  std::set<std::string> keys;  // of its own, besides
};
const std::map<std::string, KindOfRun> kObjectives = {
    {"class_diffusion",
     {RunConfig::Kind::kClassDiffusion, {"embedding_deviation", "sample_steps", "sampler"}}},
    {"autoencoder",
     {RunConfig::Kind::kAutoencoder,
      {"kl_weight", "gradient_weight", "perceptual_classifier", "perceptual_weight"}}},
    {"decoder",
     {RunConfig::Kind::kDecoder, {"gradient_weight", "perceptual_classifier", "perceptual_weight", "crop"}}},
    {"text_diffusion",
     {RunConfig::Kind::kTextDiffusion,
      {"embedding_deviation", "text_dropout", "min_snr", "prompts", "sample_steps", "sampler"}}},
    {"upscaling", {RunConfig::Kind::kUpscaling, {"embedding_deviation", "text_dropout", "min_snr", "crop"}}},
    {"classifier", {RunConfig::Kind::kClassifier, {}}}};

// The names of the objectives with this key of their own; of all, without one.
std::string ObjectivesWith(const std::string& key) {
  std::string names;
  for (const auto& [name, run] : kObjectives) {
    if (key.empty() || run.keys.count(key) > 0) names += (names.empty() ? "" : ", ") + name;
  }
  return names;
}

// Throws unless the objective is one there is and takes all keys.
RunConfig::Kind KindOf(const Config& config, const nlohmann::json& json) {
  const std::string objective = config.String("objective", "class_diffusion");
  const auto found = kObjectives.find(objective);
  if (found == kObjectives.end()) config.Unsupported("objective", ObjectivesWith(""));
  for (const auto& [key, value] : json.items()) {
    if (kKeys.count(key) + found->second.keys.count(key) > 0) continue;
    const std::string others = ObjectivesWith(key);
    config.Unsupported(
        key, others.empty() ? "not at all: it is no key of a run" : "by " + others + ", not by " + objective);
  }
  return found->second.kind;
}

int64_t Positive(const Config& config, const std::string& key, int64_t fallback, int64_t least = 1) {
  const int64_t value = config.Int(key, fallback);
  if (value < least) config.Unsupported(key, std::to_string(least) + " or more");
  return value;
}

double Fraction(const Config& config, const std::string& key, double fallback) {
  const double value = config.Double(key, fallback);
  if (!(value >= 0 && value < 1)) config.Unsupported(key, "0 to below 1");
  return value;
}

double NotNegative(const Config& config, const std::string& key, double fallback) {
  const double value = config.Double(key, fallback);
  if (!(value >= 0 && value <= 1e6)) config.Unsupported(key, "0 to 1000000");
  return value;
}

nlohmann::json Object(const Config& config, const std::string& key) {
  if (config.Unset(key) || !config.at(key).is_object()) config.Unsupported(key, "an object");
  return config.at(key);
}

}  // namespace

RunConfig RunConfig::From(const std::string& path) {
  const nlohmann::json json = diffusion::ReadJsonFile(path);
  const Config config(json, path);
  RunConfig run;
  run.kind = KindOf(config, json);
  run.data = Object(config, "data");
  run.network = Object(config, "network");
  run.steps = Positive(config, "steps", run.steps);
  run.batch = Positive(config, "batch", run.batch);
  run.learning_rate.steps = run.steps;
  run.learning_rate.peak = config.Double("learning_rate", run.learning_rate.peak);
  if (!(run.learning_rate.peak > 0 && run.learning_rate.peak < 1))
    config.Unsupported("learning_rate", "0 to 1");
  run.learning_rate.warm_up = Positive(config, "warm_up", 0, 0);
  const std::string schedule = config.String("schedule", "constant");
  if (schedule != "constant" && schedule != "cosine") config.Unsupported("schedule", "constant, cosine");
  run.learning_rate.cosine = schedule == "cosine";
  run.optimizer.weight_decay = Fraction(config, "weight_decay", run.optimizer.weight_decay);
  run.optimizer.beta1 = Fraction(config, "beta1", run.optimizer.beta1);
  run.optimizer.beta2 = Fraction(config, "beta2", run.optimizer.beta2);
  run.average.decay = Fraction(config, "ema_decay", run.average.decay);
  run.average.start = Positive(config, "ema_start", run.average.start, 0);
  run.log_every = Positive(config, "log_every", run.log_every);
  run.checkpoint_every = Positive(config, "checkpoint_every", run.checkpoint_every);
  run.sample_every = Positive(config, "sample_every", run.sample_every, 0);
  run.sample_steps = Positive(config, "sample_steps", run.sample_steps, 0);
  run.sampler = config.String("sampler", "");
  run.seed = static_cast<uint64_t>(Positive(config, "seed", 0, 0));
  const std::string precision = config.String("precision", "fp32");
  if (precision != "fp32" && precision != "bf16") config.Unsupported("precision", "fp32, bf16");
  run.precision = precision == "bf16" ? Precision::kBFloat16 : Precision::kFloat;
  run.start_from = config.String("start_from", "");
  run.embedding_deviation = NotNegative(config, "embedding_deviation", run.embedding_deviation);
  run.kl_weight = NotNegative(config, "kl_weight", run.kl_weight);
  ReconstructionLoss::Options& reconstruction = run.reconstruction;
  reconstruction.gradient_weight = NotNegative(config, "gradient_weight", reconstruction.gradient_weight);
  reconstruction.perceptual_classifier = config.String("perceptual_classifier", "");
  reconstruction.perceptual_weight =
      NotNegative(config, "perceptual_weight", reconstruction.perceptual_weight);
  run.text_dropout = Fraction(config, "text_dropout", run.text_dropout);
  run.min_snr = NotNegative(config, "min_snr", run.min_snr);
  run.crop = Positive(config, "crop", 0, 0);
  if (!config.Unset("prompts")) run.prompts = config.RequiredStrings("prompts");
  return run;
}

std::string RunConfig::Identity() const {
  return nlohmann::json{{"objective", static_cast<int>(kind)},
                        {"embedding_deviation", embedding_deviation},
                        {"start_from", start_from},
                        {"kl_weight", kl_weight},
                        {"gradient_weight", reconstruction.gradient_weight},
                        {"perceptual_classifier", reconstruction.perceptual_classifier},
                        {"perceptual_weight", reconstruction.perceptual_weight},
                        {"text_dropout", text_dropout},
                        {"min_snr", min_snr},
                        {"crop", crop},
                        {"precision", static_cast<int>(precision)},
                        {"data", data},
                        {"network", network},
                        {"steps", learning_rate.cosine ? learning_rate.steps : 0},
                        {"batch", batch},
                        {"learning_rate", learning_rate.peak},
                        {"warm_up", learning_rate.warm_up},
                        {"cosine", learning_rate.cosine},
                        {"weight_decay", optimizer.weight_decay},
                        {"beta1", optimizer.beta1},
                        {"beta2", optimizer.beta2},
                        {"ema_decay", average.decay},
                        {"ema_start", average.start},
                        {"seed", seed}}
      .dump();
}

PictureSet ReadLabelled(const RunConfig& run) {
  const Config config(run.data, "data");
  const std::string format = config.String("format", "");
  PictureSet set;
  if (format == "idx") {
    set = ReadIdx(config.String("pictures", ""), config.String("labels", ""));
  } else if (format == "cifar10") {
    set = ReadCifar10(config.RequiredStrings("files"));
  } else {
    config.Unsupported("format", "idx, cifar10");
  }
  return set.First(Positive(config, "most", set.count()));
}

CaptionedSet ReadCaptioned(const RunConfig& run) {
  const Config config(run.data, "data");
  if (config.String("format", "") != "captioned") config.Unsupported("format", "captioned");
  return ReadCaptionedFolder(config.String("folder", ""));
}

}  // namespace mind::training
