#include "worker/diffusion/pipelines/pipeline_kinds.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/cascade.h"
#include "worker/diffusion/pipelines/class_to_image.h"
#include "worker/diffusion/pipelines/deepfloyd.h"
#include "worker/diffusion/pipelines/flux.h"
#include "worker/diffusion/pipelines/flux2_klein.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/pipelines/kandinsky.h"
#include "worker/diffusion/pipelines/pixel_diffusion.h"
#include "worker/diffusion/pipelines/qwen_image.h"
#include "worker/diffusion/pipelines/qwen_image_edit.h"
#include "worker/diffusion/pipelines/stable_diffusion_3.h"
#include "worker/diffusion/pipelines/stable_diffusion_xl.h"
#include "worker/diffusion/pipelines/stable_unclip.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/pipelines/unclip.h"
#include "worker/diffusion/pipelines/upscale.h"
#include "worker/diffusion/pipelines/z_image.h"

namespace mind::diffusion {
namespace {

const std::vector<std::string> kTextParts = {"text_encoder", "unet", "vae", "taesd"};
const std::vector<std::string> kXlParts = {"text_encoder", "text_encoder_2", "unet", "vae", "taesd"};
const std::vector<std::string> kSd3Parts = {"text_encoder", "text_encoder_2", "text_encoder_3", "transformer",
                                            "vae",          "taesd"};
const std::vector<std::string> kUnclipParts = {"prior",   "image_encoder",   "text_encoder",  "text_proj",
                                               "decoder", "super_res_first", "super_res_last"};
const std::vector<std::string> kStableUnclipParts = {
    "prior", "prior_text_encoder", "image_encoder", "image_normalizer", "text_encoder", "unet", "vae",
    "taesd"};
const std::vector<std::string> kKandinskyParts = {"prior_prior",
                                                  "prior_text_encoder",
                                                  "prior_image_encoder",
                                                  "prior/prior",
                                                  "prior/text_encoder",
                                                  "prior/image_encoder",
                                                  "unet",
                                                  "movq"};
const std::vector<std::string> kFloydParts = {"text_encoder", "unet"};
const std::vector<std::string> kFluxParts = {"text_encoder", "text_encoder_2", "transformer", "vae", "taesd"};
// Of those that take no tiny autoencoder for previews.
const std::vector<std::string> kUntinyParts = {"text_encoder", "transformer", "vae"};
const std::vector<std::string> kClassParts = {"transformer", "vae", "taesd"};
const std::vector<std::string> kTransformerParts = {"text_encoder", "transformer", "vae", "taesd"};
const std::vector<std::string> kPixelParts = {"unet"};
const std::vector<std::string> kReportParts = {""};
const std::vector<std::string> kGlideParts = {"base", "upsampler", "gan"};

// Large text encoders, which no LoRA reaches: a prompt needs them once.
const std::vector<std::string> kFirstEncoder = {"text_encoder"}, kSecondEncoder = {"text_encoder_2"},
                               kThirdEncoder = {"text_encoder_3"};
// What guidance leads away from is made by it while the model is loaded.
const std::vector<std::string> kKandinskyPictures = {"prior_image_encoder", "prior/image_encoder"};

constexpr char kFloydFirst[] = "IFPipeline";

const PipelineKind kKinds[] = {
    {"StableDiffusionPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load, kTextParts},
    {"StableDiffusionInpaintPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load, kTextParts},
    {"StableDiffusionDepth2ImgPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load,
     kTextParts},
    {"StableDiffusionUpscalePipeline", UpscalePipeline::Describe, UpscalePipeline::Load, kTextParts},
    {"StableDiffusionXLPipeline", StableDiffusionXlPipeline::Describe, StableDiffusionXlPipeline::Load,
     kXlParts},
    {"StableDiffusionXLImg2ImgPipeline", StableDiffusionXlPipeline::Describe, StableDiffusionXlPipeline::Load,
     kXlParts},
    {"StableDiffusionXLInpaintPipeline", StableDiffusionXlPipeline::Describe, StableDiffusionXlPipeline::Load,
     kXlParts},
    {"StableDiffusionInstructPix2PixPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load,
     kTextParts},
    {"StableDiffusionXLInstructPix2PixPipeline", StableDiffusionXlPipeline::Describe,
     StableDiffusionXlPipeline::Load, kXlParts},
    {"StableDiffusion3Pipeline", StableDiffusion3Pipeline::Describe, StableDiffusion3Pipeline::Load,
     kSd3Parts, kThirdEncoder},
    {"StableDiffusion3Img2ImgPipeline", StableDiffusion3Pipeline::Describe, StableDiffusion3Pipeline::Load,
     kSd3Parts, kThirdEncoder},
    {"StableDiffusion3InpaintPipeline", StableDiffusion3Pipeline::Describe, StableDiffusion3Pipeline::Load,
     kSd3Parts, kThirdEncoder},
    {"UnCLIPPipeline", UnclipDecoder::Describe, UnclipDecoder::Load, kUnclipParts},
    {"UnCLIPImageVariationPipeline", UnclipDecoder::Describe, UnclipDecoder::Load, kUnclipParts},
    {"StableUnCLIPPipeline", StableUnclipPipeline::Describe, StableUnclipPipeline::Load, kStableUnclipParts},
    {"StableUnCLIPImg2ImgPipeline", StableUnclipPipeline::Describe, StableUnclipPipeline::Load,
     kStableUnclipParts},
    {"KandinskyV22Pipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts,
     kKandinskyPictures},
    {"KandinskyV22Img2ImgPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts,
     kKandinskyPictures},
    {"KandinskyV22InpaintPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts,
     kKandinskyPictures},
    {"KandinskyV22CombinedPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts,
     kKandinskyPictures},
    {"KandinskyV22Img2ImgCombinedPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load,
     kKandinskyParts, kKandinskyPictures},
    {"KandinskyV22InpaintCombinedPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load,
     kKandinskyParts, kKandinskyPictures},
    {kFloydFirst, FloydPipeline::Describe, FloydPipeline::Load, kFloydParts, kFirstEncoder},
    {"IFSuperResolutionPipeline", FloydEnlarger::Describe, FloydEnlarger::Load, kFloydParts, kFirstEncoder,
     kFloydFirst, FloydEnlarger::LoadBeside},
    {"ZImagePipeline", ZImagePipeline::Describe, ZImagePipeline::Load, kTransformerParts, kFirstEncoder},
    {"ZImageImg2ImgPipeline", ZImagePipeline::Describe, ZImagePipeline::Load, kTransformerParts,
     kFirstEncoder},
    {"FluxPipeline", FluxPipeline::Describe, FluxPipeline::Load, kFluxParts, kSecondEncoder},
    {"FluxImg2ImgPipeline", FluxPipeline::Describe, FluxPipeline::Load, kFluxParts, kSecondEncoder},
    {"FluxInpaintPipeline", FluxPipeline::Describe, FluxPipeline::Load, kFluxParts, kSecondEncoder},
    {"FluxKontextPipeline", FluxPipeline::Describe, FluxPipeline::Load, kFluxParts, kSecondEncoder},
    {"FluxFillPipeline", FluxPipeline::Describe, FluxPipeline::Load, kFluxParts, kSecondEncoder},
    {"Flux2KleinPipeline", Flux2KleinPipeline::Describe, Flux2KleinPipeline::Load, kUntinyParts,
     kFirstEncoder},
    {"QwenImagePipeline", QwenImagePipeline::Describe, QwenImagePipeline::Load, kUntinyParts, kFirstEncoder},
    {"QwenImageImg2ImgPipeline", QwenImagePipeline::Describe, QwenImagePipeline::Load, kUntinyParts,
     kFirstEncoder},
    {"QwenImageEditPlusPipeline", QwenImageEditPipeline::Describe, QwenImageEditPipeline::Load, kUntinyParts,
     kFirstEncoder},
    {"DiTPipeline", ClassToImagePipeline::Describe, ClassToImagePipeline::Load, kClassParts},
    {"DDPMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    {"DDIMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    {"PNDMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    {"ScoreSdeVePipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    // Not diffusers': the report's DDPM by its config.json, GLIDE by that of its first stage.
    {"AbarankabDDPM", PixelDiffusionPipeline::DescribeReport, PixelDiffusionPipeline::LoadReport,
     kReportParts},
    {"GlideText2ImUNet", GlidePipeline::Describe, GlidePipeline::Load, kGlideParts},
    {kCascadeClass, CascadePipeline::Describe, CascadePipeline::Load, {}},
};

}  // namespace

const PipelineKind& KindOfPipeline(const std::string& pipeline_class, const std::string& path) {
  std::string known;
  for (const PipelineKind& kind : kKinds) {
    if (pipeline_class == kind.pipeline_class) return kind;
    known += std::string(known.empty() ? "" : ", ") + kind.pipeline_class;
  }
  throw UnsupportedError(path + ": the pipeline \"" + pipeline_class +
                         "\" is not supported; supported: " + known);
}

}  // namespace mind::diffusion
