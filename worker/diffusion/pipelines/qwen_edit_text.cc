#include "worker/diffusion/pipelines/qwen_edit_text.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/text/chat_prompt.h"
#include "worker/diffusion/weights/names/qwen_names.h"
#include "worker/diffusion/weights/names/qwen_vision_names.h"

namespace mind::diffusion {
namespace {

constexpr char kEditTokenizer[] = "tokenizer", kEditEncoder[] = "text_encoder";
// What the processor's file says of all published models.
constexpr double kLeastQwenPixels = 56 * 56, kMostQwenPixels = 28 * 28 * 16384;

std::unique_ptr<const QwenPictureText> LoadQwenPictureText(const ModelDirectory& directory,
                                                           const FileParameters::Options& options) {
  const Config config = directory.ComponentConfig(kEditEncoder);
  const QwenTextConfig text = QwenTextConfig::From(config);
  const NamedTensors stored = directory.ComponentTensors(kEditEncoder);
  FileParameters of_text(QwenTextPart(stored, text.layers), options);
  FileParameters of_vision(QwenVisionPart(stored), options);
  auto encoder = std::make_unique<const QwenPictureText>(Scope(of_text), text, Scope(of_vision),
                                                         QwenVisionConfig::From(config),
                                                         config.RequiredInt("image_token_id"));
  of_text.ExpectAllTaken();
  of_vision.ExpectAllTaken();
  return encoder;
}

}  // namespace

QwenEditText::QwenEditText(const ModelDirectory& directory, FileParameters::Options options)
    : device_(options.device),
      tokenizer_(QwenTokenizer::FromDirectory(directory.ComponentPath(kEditTokenizer))) {
  encoder_ = LoadPart<QwenPictureText>(directory, kEditEncoder, options, LoadQwenPictureText);
  const auto loaded = encoder_->Use();
  vision_ = loaded->vision_config();
  ExpectSameVocabulary(*tokenizer_, loaded->text(), directory.path());
}

PatchedPicture QwenEditText::Patched(const at::Tensor& picture) const {
  const QwenVisionConfig& config = vision_;
  const auto [height, width] = QwenSeenSize(picture.size(0), picture.size(1), config.token());
  const at::Tensor bytes = ResizePicture(picture, width, height, ResizeFilter::kBicubic);
  const ClipPreprocessing clip;  // whose colours it sees
  const auto colours = [](const std::array<double, 3>& numbers) {
    return at::tensor(at::ArrayRef<double>(numbers.data(), numbers.size()), at::kFloat).view({3, 1, 1});
  };
  const at::Tensor floats = bytes.permute({2, 0, 1}).to(at::kFloat) / 255;
  const at::Tensor normed = (floats - colours(clip.mean)) / colours(clip.deviation);
  return {QwenPatches(normed.to(device_), config), height / config.patch, width / config.patch};
}

SeenPicture QwenEditText::See(const at::Tensor& picture) const {
  const PatchedPicture patched = Patched(picture);
  return encoder_->Use()->See(patched.patches, patched.rows, patched.columns);
}

std::vector<int64_t> QwenEditText::Ids(const std::string& prompt,
                                       const std::vector<SeenPicture>& pictures) const {
  const InstructedTurn turn = EditingTurn(prompt, static_cast<int64_t>(pictures.size()));
  return encoder_->Use()->Spread(tokenizer_->Encode(turn.text), pictures);
}

at::Tensor QwenEditText::Encode(const std::string& prompt, const std::vector<SeenPicture>& pictures) const {
  const std::vector<int64_t> ids = Ids(prompt, pictures);
  const int64_t instruction = EditingTurn("", static_cast<int64_t>(pictures.size())).instruction_tokens;
  const int64_t over = static_cast<int64_t>(ids.size()) - instruction - kMostTokens;
  if (over > 0)
    throw RequestError("the prompt and its pictures are too long for this model's text encoder: leave out " +
                       std::to_string(over) + " tokens (about as many words)");
  const auto encoder = encoder_->Use();
  const at::Tensor states = encoder->text().Norm(encoder->States(ids, pictures).back());
  return states.squeeze(0).slice(0, instruction);
}

std::array<int64_t, 2> QwenSeenSize(int64_t height, int64_t width, int64_t token) {
  const auto h = static_cast<double>(height), w = static_cast<double>(width), t = static_cast<double>(token);
  // Halves go to the even number, as Python has it.
  double rows = std::max(std::nearbyint(h / t), 1.0), columns = std::max(std::nearbyint(w / t), 1.0);
  const double pixels = rows * columns * t * t;
  if (pixels > kMostQwenPixels) {
    const double shrunk = std::sqrt(h * w / kMostQwenPixels);
    rows = std::max(std::floor(h / shrunk / t), 1.0);
    columns = std::max(std::floor(w / shrunk / t), 1.0);
  } else if (pixels < kLeastQwenPixels) {
    const double grown = std::sqrt(kLeastQwenPixels / (h * w));
    rows = std::ceil(h * grown / t);
    columns = std::ceil(w * grown / t);
  }
  return {static_cast<int64_t>(rows) * token, static_cast<int64_t>(columns) * token};
}

}  // namespace mind::diffusion
