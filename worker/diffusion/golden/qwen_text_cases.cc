#include "worker/diffusion/golden/qwen_text_cases.h"

#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/qwen_picture_text.h"
#include "worker/diffusion/weights/names/qwen_names.h"
#include "worker/diffusion/weights/names/qwen_vision_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

// After the last layer the reference has the states normed.
at::Tensor StatesAfter(const QwenText& encoder, const TextStates& states, size_t layer) {
  const at::Tensor& own = states.layers.at(layer);
  return layer + 1 == states.layers.size() ? encoder.Norm(own) : own;
}

// 1 for tokens that see any: what others are given is nobody's to rely on.
at::Tensor SeesAny(const at::Tensor& mask) {
  return (mask.cumsum(1) > 0).to(at::kFloat).unsqueeze(-1);
}

void CheckQwenText(const fs::path& directory, const Record& record, FileParameters::Options options,
                   Report::Case& result) {
  const QwenTextConfig config = QwenTextConfig::From(Config::FromFile((directory / "config.json").string()));
  FileParameters weights(QwenTextPart(ReadComponent(directory.string()), config.layers), options);
  const QwenText encoder(Scope(weights), config);
  weights.ExpectAllTaken();
  const at::Tensor ids = record.Get("in.input_ids").to(options.device);
  const bool masked = record.Has("in.attention_mask");
  const at::Tensor mask = masked ? record.Get("in.attention_mask").to(options.device) : at::ones_like(ids);
  const TextStates states = masked ? encoder.PaddedStates(ids, mask) : encoder.States(ids, {});
  const at::Tensor seen = SeesAny(mask);
  for (const auto& [number, expected] : record.Under("out.hidden_states."))
    result.Compare("hidden states " + number, StatesAfter(encoder, states, std::stoul(number)) * seen,
                   expected.to(options.device) * seen, kComponentTolerance);
}

// A text with pictures in it, of one row.
void CheckQwenPictures(const fs::path& directory, const Record& record, FileParameters::Options options,
                       Report::Case& result) {
  const Config config = Config::FromFile((directory / "config.json").string());
  const QwenTextConfig text = QwenTextConfig::From(config);
  const NamedTensors stored = ReadComponent(directory.string());
  FileParameters of_text(QwenTextPart(stored, text.layers), options);
  FileParameters of_vision(QwenVisionPart(stored), options);
  const QwenPictureText encoder(Scope(of_text), text, Scope(of_vision), QwenVisionConfig::From(config),
                                config.RequiredInt("image_token_id"));
  of_text.ExpectAllTaken();
  of_vision.ExpectAllTaken();
  const at::Tensor patches = record.Get("in.pixel_values").to(options.device);
  std::vector<SeenPicture> pictures;
  int64_t begin = 0;
  for (const at::Tensor& grid : record.Get("in.image_grid_thw").unbind()) {
    const int64_t rows = grid[1].item<int64_t>(), columns = grid[2].item<int64_t>();
    pictures.push_back(encoder.See(patches.narrow(0, begin, rows * columns), rows, columns));
    begin += rows * columns;
  }
  const at::Tensor ids = record.Get("in.input_ids")[0].contiguous();
  const TextStates states{
      encoder.States({ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()}, pictures), {}};
  for (const auto& [number, expected] : record.Under("out.hidden_states."))
    result.Compare("hidden states " + number, StatesAfter(encoder.text(), states, std::stoul(number)),
                   expected, kComponentTolerance);
}

}  // namespace

bool RanQwenTextCase(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  if (item.at("model").is_null()) return false;
  const fs::path directory = options.directory / item.at("model").get<std::string>();
  if (!fs::exists(directory / "config.json")) return false;
  const std::string kind = Config::FromFile((directory / "config.json").string()).String("model_type", "");
  if (!kind.starts_with("qwen")) return false;
  const std::string name = item.at("name");
  report.Run("components/" + name, [&](Report::Case& result) {
    const Record& record = result.Open(options.directory / "components" / (name + ".safetensors"));
    const auto check = record.Has("in.pixel_values") ? CheckQwenPictures : CheckQwenText;
    check(directory, record, options.parameters(), result);
  });
  return true;
}

}  // namespace mind::diffusion
