#include "worker/diffusion/pipelines/unclip.h"

#include <algorithm>
#include <numeric>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/unclip_prior.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr char kUnclipPrior[] = "prior", kUnclipTextEncoder[] = "text_encoder", kUnclipDecoder[] = "decoder",
               kUnclipProjection[] = "text_proj", kFirstEnlarger[] = "super_res_first",
               kLastEnlarger[] = "super_res_last";
constexpr char kSchedulerFile[] = "scheduler_config.json";
constexpr int64_t kColours = 3;
constexpr int64_t kUnclipSteps = 25;
constexpr double kUnclipGuidance = 8;

// Its blocks halve, and double again, whatever the size.
int64_t SideMultiple(const UNetConfig& unet) {
  return int64_t{1} << (unet.levels.size() - 1);
}

SamplerConfig SamplerOf(const ModelDirectory& directory, const std::string& component) {
  return SamplerConfig::From(directory.ComponentConfig(component, kSchedulerFile));
}

UNetConfig EnlargerConfig(const ModelDirectory& directory, const std::string& component) {
  const Config config = directory.ComponentConfig(component);
  UNetConfig unet = UNetConfig::From(config);
  if (unet.in_channels != 2 * kColours) config.Unsupported("in_channels", "6: x and the small picture");
  return unet;
}

std::unique_ptr<const UNet> LoadUNet(const ModelDirectory& directory, const std::string& component,
                                     FileParameters::Options options) {
  FileParameters weights = directory.ComponentWeights(component, options);
  auto unet =
      std::make_unique<const UNet>(Scope(weights), UNetConfig::From(directory.ComponentConfig(component)));
  weights.ExpectAllTaken();
  return unet;
}

// That decoder, projection and text encoder speak of the same widths.
void ExpectFitting(const ModelDirectory& directory, const UNetConfig& decoder) {
  const Config config = directory.ComponentConfig(kUnclipProjection);
  const PictureProjectionConfig projection = PictureProjectionConfig::From(config);
  const ClipTextConfig text = ClipTextConfig::From(directory.ComponentConfig(kUnclipTextEncoder));
  if (projection.embedding != text.projection || projection.embedding != text.width)
    config.Unsupported("clip_embeddings_dim", "text_encoder's hidden_size and projection_dim");
  if (projection.context_width != decoder.context_width)
    config.Unsupported("cross_attention_dim", "the decoder's");
  if (projection.time_width != decoder.image_width || decoder.image_projected)
    directory.ComponentConfig(kUnclipDecoder)
        .Unsupported("class_embed_type", "\"identity\", as wide as text_proj's");
}

}  // namespace

ModelInfo UnclipDecoder::Describe(const ModelDirectory& directory) {
  const UNetConfig decoder = UNetConfig::From(directory.ComponentConfig(kUnclipDecoder));
  const UNetConfig first = EnlargerConfig(directory, kFirstEnlarger),
                   last = EnlargerConfig(directory, kLastEnlarger);
  const Config config = directory.ComponentConfig(kFirstEnlarger);
  if (first.sample_size <= decoder.sample_size || first.sample_size % decoder.sample_size != 0)
    config.Unsupported("sample_size", "a multiple of the decoder's");
  ExpectFitting(directory, decoder);
  const SamplerConfig sampler = SamplerOf(directory, "decoder_scheduler");
  const bool has_prior = directory.HasComponent(kUnclipPrior);
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.takes_prompt = info.takes_prior_guidance = has_prior;
  info.takes_guidance = true;
  info.takes_source = info.varies = !has_prior;
  if (has_prior) {
    info.languages = LanguagesOf(directory.ComponentPath("tokenizer"));
    for (const auto& [word, path] : directory.LearntWordFiles()) info.learnt_words.push_back(word);
  }
  info.later_steps = UnclipEnlarger::kSteps + (has_prior ? UnclipPrior::kSteps : 0);
  if (has_prior) info.later_stages.push_back(UnclipPrior::StageOf(directory));
  info.later_stages.push_back({.name = "enlarger",
                               .default_steps = UnclipEnlarger::kSteps,
                               .max_steps = SamplerOf(directory, "super_res_scheduler").train_steps,
                               .fixed_guidance = true});
  const int64_t enlargement = first.sample_size / decoder.sample_size;
  info.size_multiple =
      std::lcm(enlargement * SideMultiple(decoder), std::max(SideMultiple(first), SideMultiple(last)));
  info.default_width = info.default_height = first.sample_size;
  info.max_width = info.max_height = 4 * first.sample_size;
  info.train_steps = sampler.train_steps;
  info.default_steps = std::min(kUnclipSteps, sampler.train_steps);
  info.default_guidance = kUnclipGuidance;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  return info;
}

std::unique_ptr<const Pipeline> UnclipDecoder::Load(const ModelDirectory& directory,
                                                    FileParameters::Options options) {
  const c10::InferenceMode inference;
  ModelInfo info = Describe(directory);
  info.revision = directory.Revision(options.precision);
  LayerWeights layers;  // which no LoRA is made for
  const auto text = std::make_shared<const PromptEncoder>(directory, PromptEncoder::Part{}, options, layers);

  std::unique_ptr<UnclipDecoder> decoder(new UnclipDecoder);
  decoder->info_ = info;
  decoder->device_ = options.device;
  decoder->sampler_config_ = SamplerOf(directory, "decoder_scheduler");
  decoder->text_ = text;
  FileParameters projection = directory.ComponentWeights(kUnclipProjection, options);
  decoder->projection_ = std::make_unique<PictureProjection>(
      Scope(projection), PictureProjectionConfig::From(directory.ComponentConfig(kUnclipProjection)));
  projection.ExpectAllTaken();
  decoder->unet_ = LoadUNet(directory, kUnclipDecoder, options);
  auto enlarger = std::make_unique<const UnclipEnlarger>(directory, options, info);
  decoder->enlargement_ =
      EnlargerConfig(directory, kFirstEnlarger).sample_size / decoder->unet_->config().sample_size;
  decoder->next_ = std::move(enlarger);
  if (!info.varies) {
    return std::make_unique<UnclipPrior>(directory, options, info, text, std::move(decoder),
                                         /*one_switch=*/true);
  }
  decoder->pictures_ = std::make_unique<PictureEncoder>(directory, "feature_extractor", options);
  if (decoder->pictures_->width() != decoder->projection_->config().embedding)
    directory.ComponentConfig("image_encoder")
        .Unsupported("projection_dim", "text_proj's clip_embeddings_dim");
  return decoder;
}

Conditioning UnclipDecoder::Condition(const PictureRequest& request, at::IntArrayRef) const {
  Conditioning conditioning;
  conditioning.guided_channels = kColours;
  conditioning.guidance = request.Guided();
  const double prior = info_.takes_prior_guidance ? request.prior_guidance : 1;
  if (std::max(request.guidance, prior) > 1)
    conditioning.rows.push_back(UnclipText(*text_, "", request, conditioning.tokens_cut));
  conditioning.rows.push_back(UnclipText(*text_, request.prompt, request, conditioning.tokens_cut));
  return conditioning;
}

at::Tensor UnclipDecoder::Encode(const at::Tensor&, NoiseSource&) const {
  throw RequestError("this model sees pictures as a whole: it does not begin with one");
}

Start UnclipDecoder::Begin(const Source& source, const PictureRequest&, at::IntArrayRef shape,
                           NoiseSource& noise) const {
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  Start start;
  start.image = EmbeddingOf(source);
  start.noise = noise.Draw(shape).to(device_);
  return start;
}

at::Tensor UnclipDecoder::EmbeddingOf(const Source& source) const {
  if (source.result.defined()) return source.result;
  if (!pictures_ || !source.original.defined())
    throw RequestError("this model makes variations of a picture: it needs a source picture");
  return pictures_->Embed(pictures_->Pixels(source.original));
}

void UnclipDecoder::Tell(const Source&, const Start& start, const PictureRequest&,
                         Conditioning& conditioning) const {
  for (Told& row : conditioning.rows) {
    const at::Tensor& picture = &row == &conditioning.rows.back() ? start.image : projection_->no_picture();
    const PictureProjection::Projected projected = (*projection_)(
        picture.unsqueeze(0), row[Condition::kPooled].unsqueeze(0), row[Condition::kText].unsqueeze(0));
    const at::Tensor mask = at::constant_pad_nd(row[Condition::kTextMask], {projection_->config().tokens, 0});
    row = {{Condition::kText, projected.context.squeeze(0)},
           {Condition::kTextMask, mask},
           {Condition::kImage, projected.image.squeeze(0)}};
  }
}

at::Tensor SuperResolution::operator()(const DenoiserInput& input) const {
  const at::Tensor last = (input.timestep == 0).cpu();
  if (last.all().item<bool>()) return (*last_)(input);
  if (!last.any().item<bool>()) return (*first_)(input);
  std::vector<at::Tensor> outputs;
  for (int64_t row = 0; row < last.size(0); ++row) {
    const DenoiserInput alone{.sample = input.sample.narrow(0, row, 1),
                              .timestep = input.timestep.narrow(0, row, 1),
                              .told = input.told.Row(row)};
    outputs.push_back(last[row].item<bool>() ? (*last_)(alone) : (*first_)(alone));
  }
  return at::cat(outputs);
}

UnclipEnlarger::UnclipEnlarger(const ModelDirectory& directory, FileParameters::Options options,
                               ModelInfo info)
    : info_(std::move(info)),
      sampler_config_(SamplerOf(directory, "super_res_scheduler")),
      device_(options.device),
      networks_(std::make_unique<SuperResolution>(LoadUNet(directory, kFirstEnlarger, options),
                                                  LoadUNet(directory, kLastEnlarger, options))) {}

Conditioning UnclipEnlarger::Condition(const PictureRequest&, at::IntArrayRef) const {
  Conditioning conditioning;
  conditioning.rows.emplace_back();
  return conditioning;
}

Start UnclipEnlarger::Begin(const Source& source, const PictureRequest&, at::IntArrayRef shape,
                            NoiseSource& noise) const {
  Start start;
  start.channels = UnclipEnlarged(source.result.unsqueeze(0), shape.slice(1)).squeeze(0);
  start.noise = noise.Draw(shape).to(device_);
  return start;
}

std::optional<StageSampling> UnclipEnlarger::own_sampling() const {
  return StageSampling{DefaultSamplerName(sampler_config_), kSteps};
}

at::Tensor UnclipEnlarged(const at::Tensor& picture, at::IntArrayRef size) {
  return at::_upsample_bicubic2d_aa(picture, size, /*align_corners=*/false);
}

}  // namespace mind::diffusion
