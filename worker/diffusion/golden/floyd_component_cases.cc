#include "worker/diffusion/golden/floyd_component_cases.h"

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/t5_text.h"
#include "worker/diffusion/pipelines/deepfloyd.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

struct FloydCase {
  fs::path directory;  // of the component
  const Record& record;
  FileParameters::Options options;

  at::Tensor In(const std::string& name) const { return record.Get("in." + name).to(options.device); }
  T5TextConfig Configuration() const {
    return T5TextConfig::From(Config::FromFile((directory / "config.json").string()));
  }
};

void CheckT5(const FloydCase& c, Report::Case& result) {
  FileParameters weights(ReadComponent(c.directory.string()), c.options);
  const T5Text encoder(Scope(weights), c.Configuration());
  weights.ExpectAllTaken();
  const at::Tensor ids = c.In("input_ids");
  // Masked or not, or both ways.
  const bool both = c.record.Has("out.last_masked"), masked = c.record.Has("in.attention_mask");
  if (masked)
    result.Compare("masked", encoder.Encode(ids, c.In("attention_mask")),
                   c.record.Get(both ? "out.last_masked" : "out.last_hidden_state"), kComponentTolerance);
  if (both || !masked)
    result.Compare("last_hidden_state", encoder.Encode(ids), c.record.Get("out.last_hidden_state"),
                   kComponentTolerance);
}

// "bucket.BUCKETS.MOST", and the biases of so many tokens.
void CheckT5Distances(const FloydCase& c, Report::Case& result) {
  for (const auto& [name, expected] : c.record.Under("out.bucket.")) {
    const size_t dot = name.find('.');
    const at::Tensor buckets = T5Buckets(c.In("relative_position"), std::stoll(name.substr(0, dot)),
                                         std::stoll(name.substr(dot + 1)));
    result.Expect(at::equal(buckets.cpu(), expected), "buckets of " + name + " differ");
  }
  FileParameters weights(ReadComponent(c.directory.string()), c.options);
  const T5Text encoder(Scope(weights), c.Configuration());
  for (const auto& [name, expected] : c.record.Under("out.position_bias_")) {
    const at::Tensor bias = encoder.PositionBias(expected.size(-1), c.options.device).squeeze(0);
    result.Compare("position bias " + name, bias, expected, kComponentTolerance);
  }
}

void CheckFloydEnlarging(const FloydCase& c, Report::Case& result) {
  for (const auto& [name, expected] : c.record.Under("out.upscaled."))
    result.Compare(name, FloydEnlarged(c.In("image"), expected.sizes().slice(2)), expected,
                   kComponentTolerance);
}

void CheckFloydSources(const FloydCase& c, Report::Case& result) {
  for (const auto& [number, picture] : c.record.Under("in.image.")) {
    const at::Tensor expected = c.record.Get("out.image." + number)[0];
    const at::Tensor resized =
        ResizePicture(ToBytes(picture[0]), expected.size(2), expected.size(1), ResizeFilter::kBicubic);
    result.Compare("image " + number, ToFloats(resized, at::kCPU) * 2 - 1, expected, kComponentTolerance);
  }
}

using FloydCheck = void (*)(const FloydCase&, Report::Case&);

// By what the case makes; null: it is of something else.
FloydCheck FloydCheckFor(const fs::path& directory, const nlohmann::json& outputs) {
  const auto makes = [&outputs](const std::string& what) {
    for (const auto& [name, shape] : outputs.items()) {
      if (name.starts_with(what)) return true;
    }
    return false;
  };
  if (makes("out.upscaled.")) return CheckFloydEnlarging;
  if (makes("out.image.")) return CheckFloydSources;
  if (!fs::exists(directory / "config.json")) return nullptr;
  const Config config = Config::FromFile((directory / "config.json").string());
  if (config.String("model_type", "") != "t5") return nullptr;
  return makes("out.bucket.") ? CheckT5Distances : CheckT5;
}

}  // namespace

bool RanFloydCase(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  const std::string name = item.at("name");
  const nlohmann::json& model = item.at("model");
  const fs::path directory = model.is_null() ? fs::path() : options.directory / model.get<std::string>();
  const FloydCheck check = FloydCheckFor(directory, item.value("outputs", nlohmann::json::object()));
  if (check == nullptr) return false;
  report.Run("components/" + name, [&](Report::Case& result) {
    check({directory, result.Open(options.directory / "components" / (name + ".safetensors")),
           options.parameters()},
          result);
  });
  return true;
}

}  // namespace mind::diffusion
