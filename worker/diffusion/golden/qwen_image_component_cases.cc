#include "worker/diffusion/golden/qwen_image_cases.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/autoencoder_wan.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/models/qwen_image_transformer.h"
#include "worker/diffusion/weights/names/wan_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

// Beside a model's directory, its autoencoder under Wan's own names.
constexpr char kWanFolder[] = "-original", kWanFile[] = "qwen_image_vae.safetensors";

struct QwenImageCase {
  const nlohmann::json& item;
  fs::path directory;  // of the component
  const Record& record;
  FileParameters::Options options;

  Config config() const { return Config::FromFile((directory / "config.json").string()); }
  at::Tensor In(const std::string& name) const { return record.Get("in." + name).to(options.device); }
};

// A picture's tokens, [1, N, C·p·p].
struct PictureTokens {
  at::Tensor tokens;
  int64_t rows, columns;
};

std::vector<PictureTokens> PicturesOf(const QwenImageCase& c, int64_t row) {
  const at::Tensor all = c.In("hidden_states").narrow(0, row, 1);
  std::vector<PictureTokens> pictures;
  int64_t begin = 0;
  for (const auto& shape : c.item.at("arguments").at("img_shapes").at(static_cast<size_t>(row))) {
    const int64_t rows = shape.at(1), columns = shape.at(2);
    pictures.push_back({all.narrow(1, begin, rows * columns), rows, columns});
    begin += rows * columns;
  }
  return pictures;
}

// Row by row: what is padded in the record is as long as it is here.
void CheckQwenImageTransformer(const QwenImageCase& c, Report::Case& result) {
  FileParameters weights(ReadComponent(c.directory.string()), c.options);
  const QwenImageTransformer transformer(Scope(weights), QwenImageConfig::From(c.config()));
  weights.ExpectAllTaken();
  const int64_t patch = transformer.config().patch_size;
  const at::Tensor text = c.In("encoder_hidden_states"), timestep = c.In("timestep") * 1000;
  const at::Tensor expected = c.record.Get("out.sample");
  for (int64_t row = 0; row < text.size(0); ++row) {
    const int64_t words = c.record.Has("in.mask") ? c.In("mask")[row].sum().item<int64_t>() : text.size(1);
    const std::vector<PictureTokens> pictures = PicturesOf(c, row);
    const auto& [tokens, rows, columns] = pictures.front();
    DenoiserInput input{.sample = LatentsOfTokens(tokens, rows, columns, patch, TokenOrder::kByChannel),
                        .timestep = timestep.narrow(0, row, 1),
                        .told = {{Condition::kText, text.narrow(0, row, 1).narrow(1, 0, words)}}};
    std::vector<at::Tensor> references, places;
    for (size_t i = 1; i < pictures.size(); ++i) {
      references.push_back(pictures[i].tokens);
      places.push_back(
          QwenImagePlaces(static_cast<int64_t>(i), pictures[i].rows, pictures[i].columns, c.options.device)
              .unsqueeze(0));
    }
    if (!references.empty()) {
      input.told.Set(Condition::kReference, at::cat(references, 1));
      input.told.Set(Condition::kReferencePlaces, at::cat(places, 1));
    }
    const at::Tensor made = TokensOf(transformer(input), patch, TokenOrder::kByChannel);
    // What it makes of the references' own tokens is of use to nobody.
    result.Compare("sample", made[0], expected[row].slice(0, 0, tokens.size(1)), kComponentTolerance);
  }
}

void CheckAutoencoderWan(const QwenImageCase& c, NamedTensors stored, Report::Case& result) {
  FileParameters weights(FromWanAutoencoder(stored), c.options);
  const AutoencoderWan autoencoder(Scope(weights), AutoencoderWanConfig::From(c.config()));
  weights.ExpectAllTaken();
  const auto compare = [&](const std::string& name, const at::Tensor& actual) {
    result.Compare(name, actual, c.record.Get("out." + name), kComponentTolerance);
  };
  if (c.record.Has("in.image")) {
    const at::Tensor moments = autoencoder.EncodeMoments(c.In("image"));
    const at::Tensor mode = LatentDistribution::Of(moments, /*dim=*/1).mean;
    compare("moments", moments);
    compare("mode", mode);
    compare("normalised", autoencoder.Normed(mode));
  }
  if (c.record.Has("in.latents")) {
    const at::Tensor latents = autoencoder.AsMade(c.In("latents"));
    compare("denormalised", latents);
    compare("image", autoencoder.Decode(latents));
  }
}

void CheckAutoencoderWans(const QwenImageCase& c, Report::Case& result) {
  CheckAutoencoderWan(c, ReadComponent(c.directory.string()), result);
  const fs::path original = fs::path(c.directory.parent_path().string() + kWanFolder) / kWanFile;
  if (fs::exists(original)) CheckAutoencoderWan(c, ReadWeights(original.string()), result);
}

using QwenImageCheck = void (*)(const QwenImageCase&, Report::Case&);

// Null: it is of something else.
QwenImageCheck QwenImageCheckFor(const fs::path& directory) {
  if (!fs::exists(directory / "config.json")) return nullptr;
  const std::string kind = Config::FromFile((directory / "config.json").string()).String("_class_name", "");
  if (kind == "QwenImageTransformer2DModel") return CheckQwenImageTransformer;
  return kind == "AutoencoderKLQwenImage" ? CheckAutoencoderWans : nullptr;
}

}  // namespace

bool RanQwenImageCase(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  const std::string name = item.at("name");
  const nlohmann::json& model = item.at("model");
  if (!model.is_string()) return false;
  const fs::path directory = options.directory / model.get<std::string>();
  const QwenImageCheck check = QwenImageCheckFor(directory);
  if (check == nullptr) return false;
  report.Run("components/" + name, [&](Report::Case& result) {
    check({item, directory, result.Open(options.directory / "components" / (name + ".safetensors")),
           options.parameters()},
          result);
  });
  return true;
}

}  // namespace mind::diffusion
