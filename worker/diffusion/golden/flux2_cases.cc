#include "worker/diffusion/golden/flux2_cases.h"

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/flow_replay.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/flux_transformer.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/pipelines/flux2_klein.h"
#include "worker/diffusion/weights/names/flux2_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

at::Tensor Flux2TextPlaces(int64_t count) {
  return LinePositions({0, 0, 0, 0}, {0, 0, 0, 1}, count, at::kCPU).to(at::kFloat);
}

void CheckFlux2Transformer(NamedTensors stored, const Config& config, const Record& record,
                           const GoldenOptions& options, Report::Case& result) {
  const c10::InferenceMode inference;
  FileParameters weights(FromOriginalFlux2(std::move(stored)), options.parameters());
  const Flux2Transformer transformer(Scope(weights), Flux2Config::From(config));
  weights.ExpectAllTaken();
  const auto in = [&](const std::string& name) { return record.Get("in." + name).to(options.device); };
  at::Tensor guidance;
  if (record.Has("in.guidance")) {
    std::vector<at::Tensor> rows;
    for (const at::Tensor& scale : in("guidance").unbind())
      rows.push_back(FluxGuidance(scale.item<double>()).to(options.device));
    guidance = at::stack(rows);
  }
  const at::Tensor text = in("encoder_hidden_states"), places = record.Get("in.txt_ids").to(at::kFloat);
  result.Compare("txt_ids", Flux2TextPlaces(text.size(1)).expand_as(places), places, 0);
  const at::Tensor vector = transformer.Vector(in("timestep") * 1000, guidance);
  result.Compare("sample",
                 transformer.OfTokens(in("hidden_states"), in("img_ids").to(at::kFloat), text, vector),
                 record.Get("out.sample"), kComponentTolerance);
}

void CheckFlux2Autoencoder(const fs::path& model, const Config& config, const Record& record,
                           const GoldenOptions& options, Report::Case& result) {
  const c10::InferenceMode inference;
  FileParameters weights(ReadComponent(model.string()), options.parameters());
  const AutoencoderFlux2 autoencoder(Scope(weights), AutoencoderFlux2Config::From(config));
  weights.ExpectAllTaken();
  const auto compare = [&](const std::string& name, const at::Tensor& ours) {
    result.Compare(name, ours, record.Get("out." + name), kComponentTolerance);
  };
  if (record.Has("in.image")) {
    const at::Tensor moments = autoencoder.network().EncodeMoments(record.Get("in.image").to(options.device));
    const at::Tensor mode = LatentDistribution::Of(moments, /*dim=*/1).mean,
                     packed = autoencoder.Packed(mode);
    compare("moments", moments);
    compare("mode", mode);
    compare("patchified", at::pixel_unshuffle(mode, AutoencoderFlux2Config::kPatch));
    compare("normalised", packed);
    compare("packed", TokensOf(packed, /*patch=*/1, TokenOrder::kByChannel));
  }
  if (record.Has("in.latents")) {
    const at::Tensor latents = autoencoder.Unpacked(record.Get("in.latents").to(options.device));
    compare("unpatchified", latents);
    compare("image", autoencoder.network().Decode(latents));
  }
}

// A row of the recorded call: of the request's own prompt, or of the one it is guided away from.
void CheckFlux2Call(const Record& record, const FirstCall& call, const Flux2Text& text, bool negative,
                    Report::Case& result) {
  const size_t number = negative ? 0 : call.conditioning.rows.size() - 1;
  const std::string prefix = std::string("transformer.") + (negative ? "1." : "0."),
                    encoder = std::string("text_encoder.") + (negative ? "1." : "0.");
  const Told& told = call.conditioning.rows[number];
  const auto compare = [&](const std::string& name, const at::Tensor& ours) {
    result.Compare(prefix + name, ours, record.Get(prefix + name)[call.row].to(at::kFloat),
                   kSampledTolerance);
  };
  at::Tensor tokens = TokensOf(call.x.unsqueeze(0), /*patch=*/1, TokenOrder::kByChannel).squeeze(0);
  const int64_t own = tokens.size(0);
  at::Tensor places =
      GridPositions({0, 0, 0, 0}, call.x.size(1), call.x.size(2), call.x.device()).to(at::kFloat);
  if (told[Condition::kReference].defined()) {
    tokens = at::cat({tokens, told[Condition::kReference]});
    places = at::cat({places, told[Condition::kReferencePlaces]});
  }
  compare("hidden_states", tokens);
  compare("img_ids", places);
  compare("encoder_hidden_states", told[Condition::kText]);
  compare("txt_ids", Flux2TextPlaces(told[Condition::kText].size(0)));
  const at::Tensor answer = record.Get(prefix + "out")[call.row].narrow(0, 0, own);
  result.Compare(prefix + "out", AsRecorded(call.answers[number], answer), answer, kSampledTolerance);
  result.Compare(prefix + "timestep", at::tensor(call.timestep / 1000),
                 at::tensor(record.Get(prefix + "timestep")[call.row].item<double>()), kSampledTolerance);
  const Flux2Text::Ids ids =
      text.IdsOf(negative ? call.request.negative_prompt.value_or("") : call.request.prompt);
  const at::Tensor all = record.Get(encoder + "input_ids");
  const int64_t of = call.row * all.size(0) / record.Get("image").size(0);
  const at::Tensor expected = all[of].contiguous();
  result.ExpectEqual("ids", ids.ids,
                     {expected.data_ptr<int64_t>(), expected.data_ptr<int64_t>() + expected.numel()});
  result.ExpectEqual("ids said", {ids.said},
                     {record.Get(encoder + "attention_mask")[of].sum().item<int64_t>()});
}

}  // namespace

bool RanFlux2Case(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  if (item.at("model").is_null()) return false;
  const fs::path model = options.directory / item.at("model").get<std::string>();
  if (!fs::exists(model / "config.json")) return false;
  const Config config = Config::FromFile((model / "config.json").string());
  const std::string kind = config.String("_class_name", ""), name = item.at("name");
  if (kind != "Flux2Transformer2DModel" && kind != "AutoencoderKLFlux2") return false;
  report.Run("components/" + name, [&](Report::Case& result) {
    const Record& record = result.Open(options.directory / "components" / (name + ".safetensors"));
    if (kind == "AutoencoderKLFlux2") return CheckFlux2Autoencoder(model, config, record, options, result);
    CheckFlux2Transformer(ReadComponent(model.string()), config, record, options, result);
    const fs::path original = model.parent_path().string() + "-original";
    for (const fs::path& file : FilesIn(original, ".safetensors"))
      CheckFlux2Transformer(ReadWeights(file.string()), config, record, options, result);
  });
  return true;
}

bool IsFlux2(const std::string& pipeline) {
  return pipeline == "Flux2KleinPipeline";
}

void CheckFlux2(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                Report::Case& result) {
  ExtendedModel model(options.directory / item.at("model").get<std::string>());
  model.Write("mind.json", {{"max_sequence_length", item.at("max_sequence_length")},
                            {"text_encoder_out_layers", item.at("text_encoder_out_layers")}});
  const std::unique_ptr<const Pipeline> pipeline = LoadPipeline(model.path(), options.parameters());
  const Flux2Text& text = dynamic_cast<const Flux2KleinPipeline&>(*pipeline).text();
  nlohmann::json asked = item;
  if (!item.contains("height")) {  // the first picture's, as it is seen
    Source source;
    ReadReferences(record, source);
    const at::Tensor seen = Flux2Reference(source.original, pipeline->info().size_multiple);
    asked["height"] = seen.size(0);
    asked["width"] = seen.size(1);
  }
  FlowRun run{.item = asked, .record = record, .pipeline = *pipeline};
  if (record.Has("in.image0")) {
    run.source = [&](int64_t) {
      Source source;
      ReadReferences(record, source);
      source.picture = ToFloats(source.original, options.device);
      return source;
    };
  }
  run.first_call = [&](const FirstCall& call) {
    CheckFlux2Call(record, call, text, /*negative=*/false, result);
    if (call.conditioning.rows.size() > 1) CheckFlux2Call(record, call, text, /*negative=*/true, result);
  };
  CheckFlowRun(run, result);
}

}  // namespace mind::diffusion
