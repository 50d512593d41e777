#include "worker/diffusion/pipelines/pixel_diffusion.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/names/ddpm_names.h"

namespace mind::diffusion {

namespace {

void ExpectColourOrGrey(const Config& config, const std::string& key, const UNetConfig& unet) {
  if (unet.in_channels != 3 && unet.in_channels != 1) config.Unsupported(key, "3 (RGB), 1 (grey)");
}

// float [3, H, W] → [1, H, W], by ITU-R 601.
at::Tensor Luma(const at::Tensor& picture) {
  const at::Tensor weights = at::tensor({0.299, 0.587, 0.114}, picture.options());
  return (picture * weights.view({3, 1, 1})).sum(0, /*keepdim=*/true);
}

ModelInfo DescribePixels(const ModelDirectory& directory, const UNetConfig& unet,
                         const SamplerConfig& sampler) {
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.size_multiple = int64_t{1} << (unet.levels.size() - 1);
  info.default_width = info.default_height = unet.sample_size;
  info.max_width = info.max_height = 4 * unet.sample_size;
  info.class_count = unet.class_count;
  info.train_steps = sampler.train_steps;
  info.default_sampler = DefaultSamplerName(sampler);
  // The chain the model was trained as takes all its steps; the fast samplers need few.
  const bool chain = info.default_sampler == "ddpm" || sampler.form == NetworkForm::kExploding;
  info.default_steps = std::min<int64_t>(sampler.train_steps, chain ? sampler.train_steps : 50);
  info.default_guidance = 1;
  info.samplers = SamplersFor(sampler);
  return info;
}

std::string ReportConfigFile(const ModelDirectory& directory) {
  return directory.path() + "/config.json";
}

// Its schedule is stored with the weights. Sampled as GaussianDiffusion.sample does: the variance is beta,
// and x0 is not clipped.
SamplerConfig ReportSampler(const NamedTensors& state) {
  const auto betas = state.tensors.find("betas");
  if (betas == state.tensors.end() || betas->second.dim() != 1 || betas->second.numel() < 2)
    throw ModelError(state.source +
                     ": no \"betas\", a list of at least two: not a state dict of the report's DDPM");
  const at::Tensor values = betas->second.to(at::kDouble).contiguous();
  if (!(values.min().item<double>() > 0) || !(values.max().item<double>() < 1)) {
    throw ModelError(state.source + ": \"betas\" must lie between 0 and 1" +
                     (betas->second.scalar_type() == at::kBFloat16 || betas->second.scalar_type() == at::kHalf
                          ? "; they are stored too coarsely: keep them in float32"
                          : ""));
  }
  SamplerConfig config;
  config.class_name = "DDPMScheduler";
  config.trained_betas.assign(values.data_ptr<double>(), values.data_ptr<double>() + values.numel());
  config.train_steps = values.numel();
  config.original_steps = std::min(config.original_steps, config.train_steps);
  config.double_precision = true;
  config.from_betas = true;
  config.variance = Variance::kFixedLarge;
  return config;
}

}  // namespace

ModelInfo PixelDiffusionPipeline::Describe(const ModelDirectory& directory) {
  const Config config = directory.ComponentConfig("unet");
  const UNetConfig unet = UNetConfig::From(config);
  ExpectColourOrGrey(config, "in_channels", unet);
  if (unet.conditioned_on_text())
    config.Unsupported("cross_attention_dim", "none: this pipeline has no prompt");
  const SamplerConfig sampler = directory.ReadSamplerConfig();
  ModelInfo info = DescribePixels(directory, unet, sampler);
  PictureScorer::Describe(directory, sampler, unet.in_channels, info);
  return info;
}

std::unique_ptr<const Pipeline> PixelDiffusionPipeline::Load(const ModelDirectory& directory,
                                                             FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<PixelDiffusionPipeline> pipeline(new PixelDiffusionPipeline);
  pipeline->info_ = Describe(directory);
  pipeline->info_.revision = directory.Revision(options.precision);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = directory.ReadSamplerConfig();
  pipeline->centred_ = pipeline->sampler_config_.form != NetworkForm::kExploding;
  FileParameters unet = directory.ComponentWeights("unet", options);
  pipeline->unet_ = std::make_unique<UNet>(Scope(unet), UNetConfig::From(directory.ComponentConfig("unet")));
  unet.ExpectAllTaken();
  pipeline->scorer_ = PictureScorer::Load(directory, pipeline->sampler_config_, options);
  return pipeline;
}

ModelInfo PixelDiffusionPipeline::DescribeReport(const ModelDirectory& directory) {
  const Config config = Config::FromFile(ReportConfigFile(directory));
  const UNetConfig unet = UNetConfig::FromReportDdpm(config);
  ExpectColourOrGrey(config, "img_channels", unet);
  const SamplerConfig sampler = ReportSampler(ReadComponent(directory.path()));
  ModelInfo info = DescribePixels(directory, unet, sampler);
  PictureScorer::Describe(directory, sampler, unet.in_channels, info);
  if (!config.Unset("class_names")) info.class_names = config.RequiredStrings("class_names");
  if (!info.class_names.empty() && info.class_names.size() != static_cast<size_t>(unet.class_count))
    config.Unsupported("class_names", "num_classes names");
  return info;
}

std::unique_ptr<const Pipeline> PixelDiffusionPipeline::LoadReport(const ModelDirectory& directory,
                                                                   FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<PixelDiffusionPipeline> pipeline(new PixelDiffusionPipeline);
  pipeline->info_ = DescribeReport(directory);
  pipeline->info_.revision = directory.Revision(options.precision);
  pipeline->device_ = options.device;
  const NamedTensors state = ReadComponent(directory.path());
  pipeline->sampler_config_ = ReportSampler(state);
  const UNetConfig config = UNetConfig::FromReportDdpm(Config::FromFile(ReportConfigFile(directory)));
  FileParameters unet(FromReportDdpm(state, config.layers_per_block), options);
  pipeline->unet_ = std::make_unique<UNet>(Scope(unet), config);
  unet.ExpectAllTaken();
  pipeline->scorer_ = PictureScorer::Load(directory, pipeline->sampler_config_, options);
  return pipeline;
}

std::vector<int64_t> PixelDiffusionPipeline::LatentShape(int64_t width, int64_t height) const {
  return {unet_->config().in_channels, height, width};
}

Conditioning PixelDiffusionPipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  if (!request.prompt.empty()) throw RequestError("this model takes no prompt");
  if (request.guidance != 1) throw RequestError("this model has no prompt to guide by: guidance must be 1");
  Told row;
  if (info_.class_count > 0) {
    const auto options = at::TensorOptions().dtype(at::kLong).device(device_);
    row.Set(Condition::kLabel, at::full({}, ExpectLabel(info_, request.label), options));
  } else if (request.label) {
    throw RequestError("this model has no classes: there must be no label");
  }
  Conditioning conditioning;
  conditioning.rows.push_back(std::move(row));
  PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

at::Tensor PixelDiffusionPipeline::Encode(const at::Tensor& picture, NoiseSource&) const {
  const at::Tensor pixels = unet_->config().in_channels == 1 ? Luma(picture) : picture;
  return centred_ ? pixels * 2 - 1 : pixels;
}

at::Tensor PixelDiffusionPipeline::Decode(const at::Tensor& latent) const {
  const at::Tensor picture = (centred_ ? latent / 2 + 0.5 : latent).clamp(0, 1);
  return picture.expand({3, picture.size(1), picture.size(2)});  // a grey one alike in all three
}

}  // namespace mind::diffusion
