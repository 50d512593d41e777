#include "worker/diffusion/golden/unclip_component_cases.h"

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/picture_projection.h"
#include "worker/diffusion/models/prior_transformer.h"
#include "worker/diffusion/pipelines/embedding_noise.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/pipelines/unclip.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kUpscaleTolerance = 1e-6;

struct UnclipCase {
  fs::path directory;  // of the component, or the model
  const Record& record;
  FileParameters::Options options;

  at::Tensor In(const std::string& name) const { return record.Get("in." + name).to(options.device); }
  bool HasIn(const std::string& name) const { return record.Has("in." + name); }
  Config Configuration() const { return Config::FromFile((directory / "config.json").string()); }
  FileParameters Weights() const { return {ReadComponent(directory.string()), options}; }
  void Compare(Report::Case& result, const std::string& name, const at::Tensor& actual) const {
    if (record.Has("out." + name))
      result.Compare(name, actual, record.Get("out." + name), kComponentTolerance);
  }
};

void CheckPrior(const UnclipCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const PriorTransformer prior(Scope(weights), PriorTransformerConfig::From(c.Configuration()));
  weights.ExpectAllTaken();
  if (c.HasIn("latents")) return c.Compare(result, "image_embeds", prior.Embedding(c.In("latents")));
  DenoiserInput input{.sample = c.In("hidden_states"),
                      .timestep = c.In("timestep").to(at::kFloat),
                      .told = {{Condition::kText, c.In("encoder_hidden_states")},
                               {Condition::kPooled, c.In("proj_embedding")}}};
  if (c.HasIn("attention_mask")) input.told.Set(Condition::kTextMask, ToldMask(c.In("attention_mask")));
  c.Compare(result, "predicted_image_embedding", prior(input));
}

// With more prompts than pictures, those before are of no picture.
void CheckProjection(const UnclipCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const PictureProjection projection(Scope(weights), PictureProjectionConfig::From(c.Configuration()));
  weights.ExpectAllTaken();
  at::Tensor pictures = c.In("image_embeddings");
  const at::Tensor pooled = c.In("prompt_embeds");
  if (const int64_t none = pooled.size(0) - pictures.size(0); none > 0)
    pictures = at::cat({projection.no_picture().expand({none, -1}), pictures});
  const PictureProjection::Projected projected =
      projection(pictures, pooled, c.In("text_encoder_hidden_states"));
  c.Compare(result, "encoder_hidden_states", projected.context);
  c.Compare(result, "additive_clip_time_embeddings", projected.image);
}

void CheckVision(const UnclipCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const ClipVision encoder(Scope(weights), ClipVisionConfig::From(c.Configuration()));
  weights.ExpectAllTaken();
  const PictureStates states = encoder(c.In("pixel_values"));
  c.Compare(result, "image_embeds", states.embedding);
  c.Compare(result, "last_hidden_state", states.layers.back());
  c.Compare(result, "last", states.layers.back());
  c.Compare(result, "penultimate", states.layers[states.layers.size() - 2]);
  c.Compare(result, "embeddings", states.layers.front());
  if (!c.record.Has("out.zero_picture_penultimate")) return;
  const PictureStates nothing = encoder(at::zeros_like(c.In("pixel_values").slice(0, 0, 1)));
  c.Compare(result, "zero_picture_penultimate", nothing.layers[nothing.layers.size() - 2]);
}

void CheckPreprocessing(const UnclipCase& c, Report::Case& result) {
  const ClipPreprocessing preprocessing =
      ClipPreprocessing::From(Config::FromFile((c.directory / "preprocessor_config.json").string()));
  for (const auto& [number, picture] : c.record.Under("in.image."))
    c.Compare(result, "pixel_values." + number, preprocessing(ToBytes(picture[0])).unsqueeze(0));
}

void CheckEmbeddingNoise(const UnclipCase& c, Report::Case& result) {
  const EmbeddingNoise noise(ModelDirectory(c.directory.string()), c.options);
  const at::Tensor embeddings = c.In("image_embeds"), draws = c.In("noise");
  c.Compare(result, "scaled", noise.Normal(embeddings));
  c.Compare(result, "unscaled", noise.Restored(embeddings));
  for (const auto& [level, expected] : c.record.Under("out.noised.")) {
    for (int64_t row = 0; row < embeddings.size(0); ++row) {
      OrderedNoise draw(draws.narrow(0, row, 1));
      result.Compare("noised." + level, noise(embeddings[row], std::stoll(level), draw), expected[row],
                     kComponentTolerance);
    }
  }
}

// Each output is made of the input that ends as it does.
void CheckEnlarging(const UnclipCase& c, Report::Case& result) {
  for (const auto& [name, expected] : c.record.Under("out.")) {
    const std::string ending = name.substr(name.size() - 2);
    const at::Tensor image = c.In(ending == "_b" || ending == "_c" ? "image" + ending : "image");
    result.Compare(name, UnclipEnlarged(image, expected.sizes().slice(2)), expected, kUpscaleTolerance);
  }
}

using UnclipCheck = void (*)(const UnclipCase&, Report::Case&);

// Null: not of unCLIP.
UnclipCheck UnclipCheckFor(const fs::path& directory) {
  // An encoder's folder may hold its preprocessing too.
  if (!fs::exists(directory / "config.json"))
    return fs::exists(directory / "preprocessor_config.json") ? CheckPreprocessing : nullptr;
  const Config config = Config::FromFile((directory / "config.json").string());
  const std::string kind = config.String("_class_name", config.String("model_type", ""));
  if (kind == "PriorTransformer") return CheckPrior;
  if (kind == "UnCLIPTextProjModel") return CheckProjection;
  if (kind == "clip_vision_model") return CheckVision;
  return nullptr;
}

}  // namespace

at::Tensor ToldMask(const at::Tensor& mask) {
  return (1 - mask.to(at::kFloat)) * kUnseen;
}

bool RanUnclipCase(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  const std::string name = item.at("name");
  const fs::path directory =
      item.at("model").is_null() ? fs::path() : options.directory / item.at("model").get<std::string>();
  const UnclipCheck check = directory.empty()                            ? CheckEnlarging
                            : fs::exists(directory / "image_normalizer") ? CheckEmbeddingNoise
                                                                         : UnclipCheckFor(directory);
  if (check == nullptr) return false;
  report.Run("components/" + name, [&](Report::Case& result) {
    const Record& record = result.Open(options.directory / "components" / (name + ".safetensors"));
    check({directory, record, options.parameters()}, result);
  });
  return true;
}

}  // namespace mind::diffusion
