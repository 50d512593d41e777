#include "worker/diffusion/engine/stages.h"

#include <algorithm>
#include <utility>

#include "worker/diffusion/engine/checkpoint.h"
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/hash.h"
#include "worker/diffusion/models/wrapping.h"
#include "worker/diffusion/pipelines/mask_fill.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/pipelines/vae_library.h"
#include "worker/diffusion/samplers/flow_shift.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr double kMostStrength = 0.999;  // of a second pass: AUTOMATIC1111's
constexpr int64_t kPaintedFrom = 128;

// Those behind the source picture, which is the first.
std::vector<at::Tensor> FurtherPictures(const TrajectoryRequest& request, const DecodeFile& decode) {
  std::vector<at::Tensor> pictures;
  for (const std::string& file : request.references) {
    try {
      pictures.push_back(decode(file));
    } catch (const RequestError& e) {
      throw RequestError("reference picture " + std::to_string(pictures.size() + 2) + ": " + e.what());
    }
  }
  return pictures;
}

// The request's pictures, decoded and resized for a stage. An upscaler's source is as much smaller as it will
// enlarge.
Source SourceOf(const TrajectoryRequest& request, const Stage& stage, const DecodeFile& decode) {
  const Pipeline& pipeline = *stage.pipeline;
  Source source;
  if (request.source.empty() && !request.mask.empty()) throw RequestError("a mask needs a source picture");
  if (request.source.empty() && request.depth.empty() && request.controls.empty() &&
      request.picture_prompts.empty())
    return source;
  if (!decode) throw RequestError("source pictures are not supported here");
  if (!(request.strength >= 0 && request.strength <= 1)) throw RequestError("strength must be 0 to 1");
  const at::Device device = pipeline.device();
  const std::vector<int64_t> size = pipeline.SourceSize(stage.width, stage.height);
  const ResizeFilter filter = pipeline.source_filter();
  source.strength = pipeline.info().enlargement > 1 ? 1 : request.strength;
  if (!request.source.empty()) {
    const SourceFrame frame(request, decode);
    const at::Tensor picture = frame.Picture(size[0], size[1], filter),
                     mask = frame.Mask(size[0], size[1], filter);
    source.original = frame.whole() ? frame.original() : picture;
    source.picture = ToFloats(picture, device);
    if (mask.defined()) source.mask = ToFloats(mask, device);
    source.soft_mask = request.mask_blur.has_value();
    source.further = FurtherPictures(request, decode);
    if (request.mask_fill != MaskFill::kOriginal && mask.defined() && request.strength < 1) {
      const at::Tensor painted = source.soft_mask ? mask : (mask >= kPaintedFrom).to(at::kByte) * 255;
      source.picture = ToFloats(FilledIn(picture, painted), device);
    }
  }
  if (!request.depth.empty()) source.depth = ToFloats(ToGrey(decode(request.depth)), device);
  for (const auto& [adapter, picture, weight, mask, layers] : request.picture_prompts) {
    PromptPicture prompt{.adapter = adapter, .picture = decode(picture), .weight = weight, .layers = layers};
    if (!mask.empty())
      prompt.mask = ToFloats(ResizePicture(ToGrey(decode(mask)), stage.width, stage.height), device);
    source.prompts.push_back(std::move(prompt));
  }
  const std::vector<std::string>& networks = pipeline.info().controls;
  for (const auto& [network, picture, weight, begin, end, guess_mode, kind] : request.controls) {
    if (std::find(networks.begin(), networks.end(), network) == networks.end())
      throw RequestError("this model has no control network named \"" + network + "\"");
    source.controls.push_back({network, ToFloats(ResizePicture(decode(picture), size[0], size[1]), device),
                               weight, begin, end, kind, guess_mode});
  }
  return source;
}

void ExpectSize(int64_t width, int64_t height, const ModelInfo& info) {
  if (width >= 1 && height >= 1 && width % info.size_multiple == 0 && height % info.size_multiple == 0)
    return;
  throw RequestError("width and height must be multiples of " + std::to_string(info.size_multiple) +
                     ", given: " + std::to_string(width) + "x" + std::to_string(height));
}

void ExpectVae(const std::string& name, const ModelInfo& info) {
  if (name.empty()) return;
  const auto vae = std::find_if(info.vaes.begin(), info.vaes.end(),
                                [&name](const VaeInfo& one) { return one.name == name; });
  if (vae == info.vaes.end())
    throw RequestError("there is no autoencoder named \"" + name + "\" beside this model");
  if (!vae->unfit.empty())
    throw RequestError("the autoencoder \"" + name + "\" does not fit this model: " + vae->unfit);
}

void ExpectPossible(const TrajectoryRequest& request, const ModelInfo& info) {
  ExpectSize(request.width, request.height, info);
  if (request.picture.later_stages.size() > info.later_stages.size()) {
    throw RequestError(
        "of this model's later stages " + std::to_string(info.later_stages.size()) +
        " can be told how they are sampled, given: " + std::to_string(request.picture.later_stages.size()));
  }
  const auto references = static_cast<int64_t>(request.references.size());
  if (references > 0 && request.source.empty())
    throw RequestError("further pictures to go by need a first, the source picture");
  if (references > 0 && references + 1 > info.most_references) {
    throw RequestError(
        "pictures that this model goes by: " + std::to_string(std::max<int64_t>(info.most_references, 1)) +
        " at most, given: " + std::to_string(references + 1));
  }
  for (size_t i = 0; i < request.picture.later_stages.size(); ++i) {
    const LaterStageInfo& stage = info.later_stages[i];
    const LaterStage& asked = request.picture.later_stages[i];
    if (asked.steps && (*asked.steps < 1 || *asked.steps > stage.max_steps))
      throw RequestError("this model's " + stage.name + " takes 1 to " + std::to_string(stage.max_steps) +
                         " steps, given: " + std::to_string(*asked.steps));
    if (asked.guidance && stage.fixed_guidance)
      throw RequestError("this model's " + stage.name + " takes no guidance of its own");
  }
  ExpectVae(request.vae.name, info);
  if (request.tiling && !info.takes_tiling)
    throw RequestError("this model does not make pictures without seams");
  if (!request.hires) return;
  const HiresPass& pass = *request.hires;
  ExpectSize(pass.width, pass.height, info);
  if (!info.takes_hires) throw RequestError("this model does not go over its own pictures");
  if (!request.source.empty()) throw RequestError("a second pass is for pictures that begin with noise");
  if (!(pass.strength > 0 && pass.strength <= 1) || pass.steps < 1)
    throw RequestError("a second pass needs a strength of more than 0, up to 1, and a step");
}

// A generator for every stage, so that one that begins again, from a checkpoint, draws what it drew before,
// however much the stages before it drew. The first's is the one that the seed means to everybody.
std::unique_ptr<SeededNoise> NoiseOf(const TrajectoryRequest& request, size_t stage) {
  if (stage == 0) return std::make_unique<SeededNoise>(request.seed);
  return std::make_unique<SeededNoise>(HashOf(std::to_string(request.seed) + " " + std::to_string(stage)));
}

// The same model over its own picture: the last steps of so many that they are the strength's share of them.
// Reference: AUTOMATIC1111 modules/sd_samplers_common.py, setup_img2img_steps.
Stage SecondPass(const TrajectoryRequest& request, const Stage& first) {
  const auto& [width, height, steps, strength, latents] = *request.hires;
  Stage stage;
  stage.pipeline = first.pipeline;
  stage.width = width;
  stage.height = height;
  const double share = std::min(strength, kMostStrength);
  stage.shape = first.pipeline->ShapeFor(request.picture, width, height);
  stage.sampler =
      MakeSampler(request.sampler, OfPicture(first.pipeline->sampler_config(), stage.shape),
                  static_cast<int64_t>(static_cast<double>(steps) / share), request.sampler_parameters);
  stage.end = stage.sampler->steps();
  stage.begin = std::max<int64_t>(stage.end - steps, 0);
  stage.steps_before = first.end - stage.begin;
  stage.goes_over = true;
  return stage;
}

std::vector<Stage> StagesOf(const TrajectoryRequest& request, std::shared_ptr<const Pipeline> model) {
  std::vector<Stage> stages;
  int64_t steps = 0;
  double begins = 1;  // where the stage goes on with the latents of the one before; 1: it does not
  const std::vector<LaterStage>& asked = request.picture.later_stages;
  size_t own_stages = 0;  // that are sampled as they say
  for (std::shared_ptr<const Pipeline> pipeline = std::move(model); pipeline != nullptr;
       pipeline = {pipeline, pipeline->next()}) {  // kept alive by the whole model
    const ModelInfo& info = pipeline->info();
    Stage stage;
    stage.width = request.width;
    stage.height = request.height;
    stage.hands_result = pipeline->hands_result();
    stage.continues_latents = begins < 1;
    std::optional<StageSampling> own = pipeline->own_sampling();
    if (own && own_stages < asked.size()) own->steps = asked[own_stages].steps.value_or(own->steps);
    if (own) ++own_stages;
    stage.shape = pipeline->ShapeFor(request.picture, request.width, request.height);
    const SamplerConfig config =
        OfPicture(own ? pipeline->ConfigFor(own->steps) : pipeline->sampler_config(), stage.shape);
    stage.sampler = own ? MakeSampler(own->sampler, config, own->steps)
                        : MakeSampler(request.sampler, config, request.steps, request.sampler_parameters);
    const auto steps_before = [&](double share) {
      return share < 1 ? StepsBefore(share, *stage.sampler, info.train_steps) : stage.sampler->steps();
    };
    stage.begin = stage.continues_latents ? steps_before(begins) : 0;
    begins = pipeline->hand_over();
    stage.end = steps_before(begins);
    stage.steps_before = steps - stage.begin;
    stage.pipeline = pipeline;
    steps += stage.end - stage.begin;
    stages.push_back(std::move(stage));
  }
  if (request.hires) {
    stages.back().hands_result = request.hires->latents;
    stages.push_back(SecondPass(request, stages.back()));
  }
  return stages;
}

// `source`: what the stage was begun with.
Conditioning ConditionOf(const Trajectory& t, const Source& source) {
  Conditioning conditioning = t.pipeline().Condition(t.request.picture, t.stage().shape);
  if (conditioning.tokens_cut > 0) {
    throw RequestError("the prompt is too long for this model's text encoder: leave out " +
                       std::to_string(conditioning.tokens_cut) + " tokens (about as many words)");
  }
  t.pipeline().Tell(source, t.start, t.request.picture, conditioning);
  return conditioning;
}

// Leads the first stage's noise away from what the seed alone makes.
void Vary(const TrajectoryRequest& request, at::Tensor& noise) {
  const auto& [seed, strength] = request.variation;
  if (strength > 0) noise = BetweenNoises(noise, SeededNoise(seed).DrawLike(noise), strength);
}

// The number of the one that the request's pictures are for.
size_t StageWithPictures(const Trajectory& t) {
  size_t number = 0;
  while (t.stages[number].pipeline->leaves_pictures()) ++number;
  return number;
}

// What is painted begins with latents that are not the picture's. Reference: AUTOMATIC1111
// modules/processing.py, StableDiffusionProcessingImg2Img.init.
void FillLatents(MaskFill fill, const Source& source, at::IntArrayRef shape, Start& start) {
  const bool fills = fill == MaskFill::kNoise || fill == MaskFill::kNothing;
  if (!fills || start.from_noise || !source.mask.defined()) return;
  const at::Tensor kept = start.kept.defined() ? start.kept : source.KeptLatents(shape);
  start.x0 = start.x0 * kept;
  if (fill == MaskFill::kNoise) start.x0 = start.x0 + start.noise * (1 - kept);
}

// By the request's autoencoder, and of a picture without edges where the request is for one.
Start BeginPicture(const TrajectoryRequest& request, const Stage& stage, const Source& source,
                   NoiseSource& noise) {
  const WrapScope wrapping(request.tiling);
  const VaeScope vae(request.vae.name);
  Start start = stage.pipeline->Begin(source, request.picture, stage.shape, noise);
  FillLatents(request.mask_fill, source, stage.shape, start);
  return start;
}

// Where a stage begins that goes over what the one before has made.
Start StartOver(const Trajectory& t, Source& source, NoiseSource& noise) {
  const Stage& stage = t.stage();
  const at::Device device = t.pipeline().device();
  if (!t.stages[t.stage_number - 1].hands_result) {
    source.picture = ToFloats(FitPicture(t.stage_source, stage.width, stage.height, Fit::kCrop), device);
    return BeginPicture(t.request, stage, source, noise);
  }
  Start start;
  start.x0 = FitLatents(t.stage_source.to(device), stage.shape[2], stage.shape[1]);
  start.noise = noise.Draw(stage.shape).to(device);
  start.from_noise = false;
  return start;
}

// Where the current stage begins, from the request or from what the stage before has handed over.
void BeginStage(Trajectory& t, const DecodeFile& decode) {
  std::unique_ptr<NoiseSource> noise = NoiseOf(t.request, t.stage_number);
  Source source;
  if (t.stage_number == StageWithPictures(t) || t.stage().goes_over)
    source = SourceOf(t.request, t.stage(), decode);
  if (t.stage().goes_over) {
    t.start = StartOver(t, source, *noise);
  } else {
    if (t.stage_number > 0) {
      if (t.stages[t.stage_number - 1].hands_result) {
        source.result = t.stage_source.to(t.pipeline().device());
      } else {
        source.picture = ToFloats(t.stage_source, t.pipeline().device());
      }
    }
    t.start = BeginPicture(t.request, t.stage(), source, *noise);
  }
  if (t.stage_number == 0) Vary(t.request, t.start.noise);
  t.conditioning = ConditionOf(t, source);
  t.state = t.stage().goes_over ? BeginningAt(t.stage().begin, t.start, t.sampler())
                                : Beginning(t.start, source.strength, t.sampler());
  t.first_step = t.state.step;
  t.state.noise = std::move(noise);
  t.guidance = GuidanceMemory();
}

// What the request's picture gives a stage that goes on with latents to keep: what it gave the one before.
void KeepStart(Trajectory& t, const DecodeFile& decode) {
  const Stage& first = t.stages.front();
  const Source source = SourceOf(t.request, first, decode);
  t.start = BeginPicture(t.request, first, source, *NoiseOf(t.request, 0));
  Vary(t.request, t.start.noise);
}

// Where a trajectory begins whose first stages do not begin anew.
int64_t FirstStep(const Trajectory& t) {
  const bool from_picture = !t.request.source.empty() && StageWithPictures(t) == 0;
  return from_picture ? StepsLeftOut(t.request.strength, t.sampler()) : 0;
}

void GoOnFrom(Checkpoint checkpoint, Trajectory& t, const DecodeFile& decode) {
  t.resumed = true;
  t.stage_number = checkpoint.stage;
  t.stage_source = std::move(checkpoint.stage_source);
  // Where x is comes from the checkpoint; what of a picture it has to keep or is shown does not. The noise
  // drawn for that is drawn again.
  const ModelInfo& model = t.stages.front().pipeline->info();
  const bool shows_pictures = !t.request.mask.empty() || !t.request.depth.empty() ||
                              !t.request.controls.empty() || !t.request.picture_prompts.empty() ||
                              ((model.edits || model.varies) && t.stage_number == 0);
  const bool continues = t.stage().continues_latents;
  if (continues && shows_pictures) KeepStart(t, decode);
  if (!continues && (t.stage_number > 0 || t.pipeline().info().enlargement > 1 || shows_pictures)) {
    BeginStage(t, decode);
  } else {
    t.conditioning = ConditionOf(t, {});
    t.first_step = FirstStep(t);
  }
  t.state = std::move(checkpoint.state);
  t.guidance = std::move(checkpoint.guidance);
}

void ExpectFinite(const at::Tensor& numbers, const Trajectory& trajectory, const char* what) {
  if (numbers.isfinite().all().item<bool>()) return;
  throw ModelError("the model \"" + trajectory.request.model + "\" made " + what +
                   " with numbers that are not finite (NaN or infinity): its weights are damaged, or the "
                   "request leads it beyond what it can compute");
}

}  // namespace

void Prepare(Trajectory& t, std::shared_ptr<const Pipeline> model, const DecodeFile& decode) {
  ExpectPossible(t.request, model->info());
  t.fingerprint = Fingerprint(t.request);
  t.stages = StagesOf(t.request, std::move(model));
  const std::string bytes = std::move(t.checkpoint);
  t.checkpoint.clear();
  if (bytes.empty()) {
    BeginStage(t, decode);
  } else {
    GoOnFrom(ParseCheckpoint(bytes, t), t, decode);
  }
}

namespace {

// uint8 [H, W, 3] on the CPU, of the stage's last x.
at::Tensor DecodeStage(const Trajectory& t) {
  ExpectFinite(t.state.x, t, "latents");
  const WrapScope wrapping(t.request.tiling);
  const VaeScope vae(t.request.vae.name);
  const at::Tensor picture = t.pipeline().Decode(t.state.x);
  ExpectFinite(picture, t, "a picture");
  return ToBytes(picture);
}

// What the next stage begins with.
at::Tensor HandedOver(const Trajectory& t) {
  if (!t.stage().hands_result) return DecodeStage(t);
  ExpectFinite(t.state.x, t, "numbers that another of its networks goes on with");
  return t.pipeline().Result(t.state.x).to(at::kFloat).cpu();
}

}  // namespace

at::Tensor FinishedPicture(const Trajectory& t, const DecodeFile& decode) {
  const at::Tensor made = DecodeStage(t);
  const TrajectoryRequest& request = t.request;
  if (!request.mask_blur && !request.only_masked) return made;
  return SourceFrame(request, decode).PutBack(made, t.stages[StageWithPictures(t)].pipeline->source_filter());
}

void BeginNextStage(Trajectory& t, const DecodeFile& decode) {
  if (!t.stages[t.stage_number + 1].continues_latents) {
    t.stage_source = HandedOver(t);
    ++t.stage_number;
    return BeginStage(t, decode);
  }
  ExpectFinite(t.state.x, t, "latents");
  // Its rule starts anew; a request that began beyond where the stage before ends goes on from there.
  const int64_t beyond = t.state.step - t.stage().end;
  ++t.stage_number;
  // What steers it are the networks beside the model before, which are no part of this one.
  t.conditioning = ConditionOf(t, {});
  t.state.step = t.stage().begin + beyond;
  t.state.history.clear();
  t.state.scalars.clear();
  t.state.noise = NoiseOf(t.request, t.stage_number);
  t.guidance = GuidanceMemory();
}

}  // namespace mind::diffusion
