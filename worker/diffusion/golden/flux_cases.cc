#include "worker/diffusion/golden/flux_cases.h"

#include <algorithm>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/flow_replay.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/pipelines/flux.h"

namespace mind::diffusion {
namespace {

// What a unit of guidance adds: it is told as a thousand, times frequencies between 1 and 1/10000. The last
// bit of a frequency, in which exp by MKL (the reference's) and by Sleef differ now and then, moves the sine
// for a guidance of 30 by 0.001.
constexpr double kGuidanceTolerance = 1.2e-6;

namespace fs = std::filesystem;

// What the request's mind.json has to say for its case.
nlohmann::json SettingsOf(const nlohmann::json& item) {
  nlohmann::json settings = {{"max_sequence_length", item.at("max_sequence_length")}};
  if (item.contains("true_cfg_scale")) settings["true_guidance"] = item.at("true_cfg_scale");
  if (item.contains("_auto_resize")) settings["keep_reference_size"] = !item.at("_auto_resize").get<bool>();
  return settings;
}

// The recorded call's arguments and answer: of the request's own row, or of the one it is guided away from.
void CheckFluxCall(const Record& record, const std::string& prefix, const FirstCall& call, size_t number,
                   Report::Case& result) {
  const Told& told = call.conditioning.rows[number];
  const auto expected = [&](const char* name) { return record.Get(prefix + name); };
  const auto compare = [&](const char* name, const at::Tensor& ours, const at::Tensor& theirs) {
    result.Compare(prefix + name, ours, theirs, kSampledTolerance);
  };
  const at::Tensor& beside = told[Condition::kChannels];
  const at::Tensor x = beside.defined() ? at::cat({call.x, beside}) : call.x;
  at::Tensor tokens = TokensOf(x.unsqueeze(0), FluxConfig::kPatch, TokenOrder::kByChannel).squeeze(0);
  const int64_t own = tokens.size(0);
  at::Tensor places =
      GridPositions({0, 0, 0}, x.size(1) / FluxConfig::kPatch, x.size(2) / FluxConfig::kPatch, x.device())
          .to(at::kFloat);
  if (told[Condition::kReference].defined()) {
    tokens = at::cat({tokens, told[Condition::kReference]});
    places = at::cat({places, told[Condition::kReferencePlaces]});
  }
  compare("hidden_states", tokens, expected("hidden_states")[call.row]);
  compare("img_ids", places, expected("img_ids"));
  result.Expect(expected("txt_ids").count_nonzero().item<int64_t>() == 0, "the text is not at the origin");
  compare("encoder_hidden_states", told[Condition::kText], expected("encoder_hidden_states")[call.row]);
  compare("pooled_projections", told[Condition::kPooled], expected("pooled_projections")[call.row]);
  result.Compare(prefix + "timestep", at::tensor(call.timestep / 1000),
                 at::tensor(expected("timestep")[call.row].item<double>()), kSampledTolerance);
  if (record.Has(prefix + "guidance"))
    compare("guidance", told[Condition::kGuidance],
            FluxGuidance(expected("guidance")[call.row].item<double>()));
  const at::Tensor answer = expected("out")[call.row].narrow(0, 0, own);
  compare("out", AsRecorded(call.answers[number], answer), answer);
}

}  // namespace

bool RanFluxCase(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  const fs::path model = options.directory / item.at("model").get<std::string>();
  const fs::path file = model / "config.json";
  if (!fs::exists(file)) return false;
  const Config config = Config::FromFile(file.string());
  if (config.String("_class_name", "") != "FluxTransformer2DModel") return false;
  const std::string name = item.at("name");
  report.Run("components/" + name, [&](Report::Case& result) {
    FileParameters weights(ReadComponent(model.string()), options.parameters());
    const FluxTransformer transformer(Scope(weights), FluxConfig::From(config));
    weights.ExpectAllTaken();
    CheckFluxTransformer(transformer, result.Open(options.directory / "components" / (name + ".safetensors")),
                         options, result);
  });
  return true;
}

void CheckFluxTransformer(const FluxTransformer& transformer, const Record& record,
                          const GoldenOptions& options, Report::Case& result) {
  const c10::InferenceMode inference;
  const auto in = [&](const std::string& name) { return record.Get("in." + name).to(options.device); };
  at::Tensor guidance;
  double tolerance = kComponentTolerance;
  if (record.Has("in.guidance")) {
    std::vector<at::Tensor> rows;
    for (const at::Tensor& scale : in("guidance").unbind()) {
      rows.push_back(FluxGuidance(scale.item<double>()).to(options.device));
      tolerance = std::max(tolerance, kGuidanceTolerance * scale.item<double>());
    }
    guidance = at::stack(rows);
  }
  result.Expect(in("txt_ids").count_nonzero().item<int64_t>() == 0, "the text is not at the origin");
  const at::Tensor vector = transformer.Vector(in("timestep") * 1000, in("pooled_projections"), guidance);
  result.Compare(
      "sample", transformer.OfTokens(in("hidden_states"), in("img_ids"), in("encoder_hidden_states"), vector),
      record.Get("out.sample"), tolerance);
}

bool IsFlux(const std::string& pipeline) {
  return pipeline.starts_with("Flux") && !pipeline.starts_with("Flux2");
}

void CheckFlux(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
               Report::Case& result) {
  ExtendedModel model(options.directory / item.at("model").get<std::string>());
  model.Write("mind.json", SettingsOf(item));
  // One set of weights is recorded by several pipelines.
  model.ChangeIndex({{"_class_name", item.at("pipeline")}});
  const std::unique_ptr<const Pipeline> pipeline = LoadPipeline(model.path(), options.parameters());
  FlowRun run{item, record, *pipeline, nullptr, nullptr};
  if (record.Has("in.image")) {
    run.source = [&](int64_t row) {
      Source source;
      source.picture = record.Get("in.image")[row].to(options.device);
      source.original = ToBytes(source.picture);
      if (record.Has("in.mask")) source.mask = record.Get("in.mask")[row].to(options.device);
      source.strength = item.value("strength", 1.0);
      return source;
    };
  }
  run.first_call = [&](const FirstCall& call) {
    const size_t own = call.conditioning.rows.size() - 1;
    CheckFluxCall(record, "transformer.0.", call, own, result);
    if (own > 0) CheckFluxCall(record, "transformer.1.", call, 0, result);
  };
  CheckFlowRun(run, result);
}

}  // namespace mind::diffusion
