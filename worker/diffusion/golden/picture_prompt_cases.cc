#include "worker/diffusion/golden/picture_prompt_cases.h"

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/picture_prompt.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr char kAdapters[] = "ip-adapters/";

// {"down": {"block_1": [0.4, 0.9]}}: of the attentions of a block in order.
std::vector<std::pair<std::string, double>> LayersOf(const nlohmann::json& scale) {
  std::vector<std::pair<std::string, double>> layers;
  for (const auto& [part, blocks] : scale.items()) {
    if (!blocks.is_object()) throw UnsupportedError("a scale of all of \"" + part + "\"");
    for (const auto& [block, weights] : blocks.items()) {
      const std::string level = part + "_blocks." + block.substr(block.find('_') + 1);
      for (size_t i = 0; i < weights.size(); ++i)
        layers.emplace_back(level + ".attentions." + std::to_string(i), weights.at(i).get<double>());
    }
  }
  return layers;
}

// The weight of a picture of an adapter: one for all, one an adapter, or one a picture.
double WeightOf(const nlohmann::json& scale, size_t adapter, size_t picture) {
  if (scale.is_number()) return scale.get<double>();
  const nlohmann::json& own = scale.at(adapter);
  return own.is_array() ? own.at(picture).get<double>() : own.get<double>();
}

}  // namespace

std::string PictureAdapterName(size_t number) {
  return "adapter-" + std::to_string(number);
}

std::vector<PromptPicture> PromptPicturesOf(const nlohmann::json& item, const Record& record,
                                            at::Device device) {
  std::vector<PromptPicture> prompts;
  if (!item.contains("ip_adapters")) return prompts;
  const nlohmann::json& scale = item.at("ip_adapter_scale");
  const auto counts = item.at("ip_pictures").get<std::vector<int64_t>>();
  for (size_t adapter = 0; adapter < counts.size(); ++adapter) {
    for (size_t i = 0; i < static_cast<size_t>(counts[adapter]); ++i) {
      const std::string number = std::to_string(adapter) + "." + std::to_string(i);
      PromptPicture prompt;
      prompt.adapter = PictureAdapterName(adapter);
      prompt.picture = ToBytes(record.Get("in.ip_image." + number)[0]);
      if (scale.is_object()) {
        prompt.layers = LayersOf(scale);
      } else {
        prompt.weight = WeightOf(scale, adapter, i);
      }
      if (const std::string mask = "in.ip_mask." + number; record.Has(mask))
        prompt.mask = record.Get(mask)[0].to(device);
      prompts.push_back(prompt);
    }
  }
  return prompts;
}

void CheckPromptPictures(const TextToImagePipeline& model, const std::vector<PromptPicture>& pictures,
                         const Record& record, int64_t row, int64_t rows, Report::Case& result) {
  const PictureEncoder& encoder = model.picture_prompts().encoder();
  std::map<std::string, int64_t> seen;
  for (const PromptPicture& picture : pictures) {
    const std::string adapter = picture.adapter.substr(picture.adapter.find('-') + 1);
    const int64_t number = seen[adapter]++;
    const at::Tensor pixels = encoder.Pixels(picture.picture);
    if (const std::string name = "image_encoder." + adapter + ".pixel_values"; record.Has(name))
      result.Compare(name, pixels, record.Get(name)[number], kSampledTolerance);
    const std::string name = "unet0.image_embeds." + adapter;
    if (!record.Has(name)) continue;
    const at::Tensor expected = record.Get(name);  // [halves · rows, pictures, …]: nothing first
    const PictureStates states = encoder.States(pixels.unsqueeze(0));
    const PictureStates blank = encoder.States(at::zeros_like(pixels).unsqueeze(0));
    const auto embedding = [&](const PictureStates& of, bool none) {
      if (expected.dim() == 4) return of.layers[of.layers.size() - 2].squeeze(0);
      return none ? at::zeros_like(of.embedding.squeeze(0)) : of.embedding.squeeze(0);
    };
    const bool guided = expected.size(0) > rows;
    result.Compare(name, embedding(states, false), expected[(guided ? rows : 0) + row][number],
                   kSampledTolerance);
    if (guided)
      result.Compare(name + ", none", embedding(blank, true), expected[row][number], kSampledTolerance);
  }
}

bool RanPicturePromptCase(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  const std::string models = item.at("model").is_string() ? item.at("model").get<std::string>() : "";
  const size_t place = models.find(kAdapters);
  constexpr char kAnd[] = " + ";
  if (place == std::string::npos || models.find(kAnd) == std::string::npos) return false;
  const std::string name = item.at("name");
  report.Run("components/" + name, [&](Report::Case& result) {
    const fs::path record_file = options.directory / "components" / name;
    const nlohmann::json json = ReadGoldenJson(record_file.string() + ".json");
    const Record& record = result.Open(record_file.string() + ".safetensors");
    const fs::path folder = options.directory / models.substr(0, models.find(kAnd));
    const std::string file = (options.directory / models.substr(place)).string();
    const UNetConfig config = UNetConfig::From(Config::FromFile((folder / "config.json").string()));
    FileParameters weights(ReadComponent(folder.string()), options.parameters());
    const UNet unet(Scope(weights), config);
    weights.ExpectAllTaken();
    const std::string base = file.find("sdxl") != std::string::npos ? "sdxl" : "sd15";
    const ClipVisionConfig vision = ClipVisionConfig::From(Config::FromFile(
        (options.directory / kAdapters / ("image_encoder_" + base) / "config.json").string()));
    const PicturePrompter prompter(ReadWeights(file), file, options.parameters(), config, vision);
    const auto in = [&](const std::string& input) {
      return record.Has("in." + input) ? record.Get("in." + input).to(options.device) : at::Tensor();
    };
    PicturePrompt prompt;
    prompt.prompter = &prompter;
    std::vector<at::Tensor> tokens;
    const at::Tensor embeddings = in("image_embeds");
    for (const at::Tensor& row : embeddings.unbind())
      tokens.push_back(prompter.Tokens({.layers = {row, row}, .embedding = row}));
    prompt.tokens = at::stack(tokens);
    prompt.weights =
        at::full({embeddings.size(0), embeddings.size(1), static_cast<int64_t>(prompter.layers().size())},
                 json.at("config").at("scale").get<double>(), embeddings.options());
    DenoiserInput input{.sample = in("sample"),
                        .timestep = in("timestep").to(at::kFloat),
                        .told = {{Condition::kText, in("encoder_hidden_states")},
                                 {Condition::kPooled, in("text_embeds")},
                                 {Condition::kSizes, in("time_ids")}}};
    input.told.Add(prompt);
    result.Compare("sample", unet(input), record.Get("out.sample"), kComponentTolerance);
  });
  return true;
}

void CheckPromptMask(const Record& record, Report::Case& result) {
  const at::Tensor expected = record.Get("out.mask");  // [1, 1, H, W]
  const at::Tensor grey = (record.Get("in.mask")[0] * 255).round().to(at::kByte).permute({1, 2, 0});
  const at::Tensor resized = ToFloats(ResizePicture(grey, expected.size(3), expected.size(2)), at::kCPU);
  const at::Tensor mask = (resized >= 0.5).to(at::kFloat).unsqueeze(0);
  result.Compare("mask", mask, expected, 0);
  for (const auto& [queries, tokens] : record.Under("out.tokens_"))
    result.Compare("tokens_" + queries, MaskOfQueries(mask, std::stoll(queries)).expand_as(tokens), tokens,
                   1e-5);
}

}  // namespace mind::diffusion
