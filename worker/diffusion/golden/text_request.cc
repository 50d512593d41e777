#include "worker/diffusion/golden/text_request.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/control_request.h"
#include "worker/diffusion/golden/tolerances.h"

namespace mind::diffusion {
namespace {

// One of a list, or the only one; none where the case has null.
std::optional<std::string> TextOf(const nlohmann::json& item, const char* key, int64_t number) {
  if (!item.contains(key) || item.at(key).is_null()) return std::nullopt;
  const nlohmann::json& value = item.at(key);
  if (!value.is_array()) return value.get<std::string>();
  return value.at(static_cast<size_t>(number) % value.size()).get<std::string>();
}

FrameSizes SizesOf(const nlohmann::json& item, const std::string& prefix) {
  FrameSizes sizes;
  const auto pair = [&](const char* key) -> std::optional<FrameSizes::Pair> {
    return item.contains(prefix + key) ? std::optional(item.at(prefix + key).get<FrameSizes::Pair>())
                                       : std::nullopt;
  };
  sizes.original = pair("original_size");
  sizes.target = pair("target_size");
  sizes.crop = pair("crops_coords_top_left").value_or(sizes.crop);
  return sizes;
}

// diffusers' text to image knows them only where both sizes are given; its pipelines that begin from a
// picture take the first of a request's sizes for what is not given, and never its crop.
std::optional<FrameSizes> NegativeSizesOf(const nlohmann::json& item, const FrameSizes& sizes) {
  FrameSizes negative = SizesOf(item, "negative_");
  const std::string pipeline = item.value("pipeline", "");
  if (pipeline.ends_with("XLImg2ImgPipeline") || pipeline.ends_with("XLInpaintPipeline")) {
    if (!negative.original) negative.original = sizes.original;
    if (!negative.target) negative.target = sizes.target;
    return negative;
  }
  return negative.original && negative.target ? std::optional(negative) : std::nullopt;
}

// diffusers takes prompts as they are and cuts them off; the web UI's cases say how they were read.
PromptReading ReadingOf(const nlohmann::json& item) {
  if (!item.contains("emphasis"))
    return {.emphasis = Emphasis::kNone, .most_chunks = 1, .comma_backtrack = 0, .padded = false};
  PromptReading reading;
  const std::string emphasis = item.at("emphasis");
  if (emphasis != "Original" && emphasis != "No norm") throw UnsupportedError("the emphasis " + emphasis);
  reading.emphasis = emphasis == "Original" ? Emphasis::kMeanKept : Emphasis::kAsWritten;
  reading.comma_backtrack = item.at("comma_padding_backtrack");
  reading.padded = item.at("shorter_prompt") != "own lengths";
  return reading;
}

}  // namespace

void ReadTextRequest(const nlohmann::json& item, int64_t number, PictureRequest& request) {
  request.prompt = TextOf(item, "prompt", number).value_or("");
  request.negative_prompt = TextOf(item, "negative_prompt", number);
  // A case may override the model's own word on it; an empty text is then what stands there.
  if (!request.negative_prompt && !item.value("force_zeros_for_empty_prompt", true))
    request.negative_prompt = "";
  request.prompt_2 = TextOf(item, "prompt_2", number).value_or("");
  request.negative_prompt_2 = TextOf(item, "negative_prompt_2", number).value_or("");
  request.prompt_3 = TextOf(item, "prompt_3", number).value_or("");
  request.negative_prompt_3 = TextOf(item, "negative_prompt_3", number).value_or("");
  request.reading = ReadingOf(item);
  request.guidance = item.at("guidance_scale");
  request.guidance_rescale = item.value("guidance_rescale", 0.0);
  request.picture_guidance = item.value("image_guidance_scale", request.picture_guidance);
  if (item.contains("pag_scale")) {
    request.guidance = std::max(request.guidance, 1.0);  // below, there is none in the reference
    request.perturbed.scale = item.at("pag_scale");
    request.perturbed.fall = item.value("pag_adaptive_scale", 0.0);
    const nlohmann::json& layers = item.at("init_arguments").at("pag_applied_layers");
    request.perturbed.layers =
        layers.is_array() ? layers.get<std::vector<std::string>>() : std::vector{layers.get<std::string>()};
  }
  request.clip_skip = item.value("clip_skip", int64_t{0});
  if (item.contains("emphasis")) --request.clip_skip;  // the web UI calls the last layer 1
  request.noise_level = item.value("noise_level", request.noise_level);
  request.sizes = SizesOf(item, "");
  request.negative_sizes = NegativeSizesOf(item, request.sizes);
  request.aesthetic_score = item.value("aesthetic_score", request.aesthetic_score);
  request.negative_aesthetic_score = item.value("negative_aesthetic_score", request.negative_aesthetic_score);
}

void ReadReferences(const Record& record, Source& source) {
  const auto bytes = [&record](const std::string& name) {
    return record.Get(name)[0].permute({1, 2, 0}).to(at::kByte).contiguous();
  };
  source.original = bytes("in.image0");
  for (int number = 1; record.Has("in.image" + std::to_string(number)); ++number)
    source.further.push_back(bytes("in.image" + std::to_string(number)));
}

double ToleranceByFloors(const nlohmann::json& item, double least) {
  double floor = 0;
  for (const auto& [stage, steps] : item.at("floor").at("latents_rel_per_step_fp32_vs_fp64").items()) {
    for (const auto& one : steps) floor = std::max(floor, one.get<double>());
  }
  return std::max(least, 20 * floor);
}

void CheckTextIds(const TextToImagePipeline& model, const nlohmann::json& item, const Record& record,
                  const std::string& prefix, Report::Case& result) {
  const bool second_alone = model.encoders() == 1 && record.Has(prefix + "prompt_ids_2");
  const auto check = [&](size_t encoder, const std::string& name, const char* key) {
    if (!record.Has(name)) return;
    const at::Tensor expected = record.Get(name);
    for (int64_t row = 0; row < expected.size(0); ++row) {
      const at::Tensor ids = expected[row].contiguous();
      const auto length = static_cast<size_t>(ids.numel());
      result.ExpectEqual(
          name, model.encoder(encoder).tokenizer().EncodePadded(TextOf(item, key, row).value_or(""), length),
          {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + length});
    }
  };
  for (size_t i = 0; i < model.encoders(); ++i) {
    const bool second = i > 0 || second_alone;
    const char* const key = i > 0 && item.contains("prompt_2") ? "prompt_2" : "prompt";
    // Records name the second one's in two ways.
    for (const char* const name : {"prompt_ids_2", "prompt_2_ids"})
      if (second) check(i, prefix + name, key);
    if (!second) check(i, prefix + "prompt_ids", key);
    if (!second) check(i, prefix + "negative_prompt_ids", "negative_prompt");
  }
}

void CheckTold(const Record& record, const Conditioning& conditioning, int64_t row, Report::Case& result) {
  const auto check = [&](const std::string& name, const Told& told, Condition kind) {
    if (record.Has(name)) result.Compare(name, told[kind], record.Get(name)[row], kSampledTolerance);
  };
  check("context", conditioning.rows.back(), Condition::kText);
  check("negative_context", conditioning.rows.front(), Condition::kText);
  check("in.pooled", conditioning.rows.back(), Condition::kPooled);
  check("in.negative_pooled", conditioning.rows.front(), Condition::kPooled);
  // The same once more as that reference's run needed them: repeated until they are equally long.
  for (const char* const name : {"in._a", "in._b"}) {
    if (!record.Has(name)) continue;
    const at::Tensor repeated = record.Get(name)[row];
    bool found = false;
    for (const Told& told : conditioning.rows) {
      const at::Tensor& states = told[Condition::kText];
      const int64_t times = repeated.size(0) / states.size(0);
      found = found ||
              (times * states.size(0) == repeated.size(0) &&
               at::allclose(states.cpu().repeat({times, 1}), repeated, kSampledTolerance, kSampledTolerance));
    }
    result.Expect(found, std::string(name) + " is none of the rows, repeated");
  }
}

void CheckFirstCall(const Record& record, const Pipeline& pipeline, const Conditioning& conditioning,
                    int64_t row, const at::Tensor& input, double timestep, Report::Case& result,
                    const std::string& prefix, RowOrder order) {
  const std::map<std::string, at::Tensor> call = record.Under(prefix + "unet0.");
  if (call.empty()) return;
  const auto rows = static_cast<int64_t>(conditioning.rows.size());
  const int64_t pictures = call.begin()->second.size(0) / rows;
  for (int64_t half = 0; half < rows; ++half) {
    const Told& told = conditioning.rows[static_cast<size_t>(half)];
    const int64_t place = order == RowOrder::kReversed ? rows - 1 - half : half;
    const auto check = [&](const std::string& name, const at::Tensor& actual) {
      if (const auto found = call.find(name); found != call.end())
        result.Compare("first call's " + name, actual, found->second[place * pictures + row],
                       kSampledTolerance);
    };
    check("encoder_hidden_states", told[Condition::kText]);
    check("text_embeds", told[Condition::kPooled]);
    check("time_ids", told[Condition::kSizes]);
    check("timestep_cond", told[Condition::kGuidance]);
    const at::Tensor& channels = told[Condition::kChannels];
    check("sample", channels.defined() ? at::cat({input, channels}) : input);
    const std::map<std::string, at::Tensor> added = record.Under(prefix + "unet0.down.");
    const Additions ours = AdditionsFor(told, input, timestep);
    for (const auto& [number, expected] : added) {
      const size_t skip = std::stoul(number);
      CheckAdded("addition " + number, skip < ours.skips.size() ? ours.skips[skip] : at::Tensor(),
                 expected[place * pictures + row], result);
    }
    if (call.count("output") == 0) continue;
    Conditioning alone;
    alone.rows = {told};
    alone.adapters = conditioning.adapters;
    check("output", EvaluateAlone(pipeline.denoiser(), alone, input, timestep));
  }
}

}  // namespace mind::diffusion
