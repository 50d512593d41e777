// A configuration file, taken for each kind there is.
#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/bert_text.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/diffusion_transformer.h"
#include "worker/diffusion/models/glide_text.h"
#include "worker/diffusion/models/tiny_autoencoder.h"
#include "worker/diffusion/models/unet_config.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/sampler_config.h"

namespace {

using namespace mind::diffusion;

template <typename Read>
void Try(const Config& config, const Read& read) {
  mind::fuzz::AllowingErrors([&] { read(config); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const c10::InferenceMode inference;
  mind::fuzz::AllowingErrors([&] {
    const Config config(ParsePythonJson(mind::fuzz::Text(data, size), "input"), "input");
    Try(config, UNetConfig::From);
    Try(config, UNetConfig::FromReportDdpm);
    Try(config, UNetConfig::FromGlide);
    Try(config, AutoencoderConfig::From);
    Try(config, TinyAutoencoderConfig::From);
    Try(config, DiffusionTransformerConfig::From);
    Try(config, ClipTextConfig::From);
    Try(config, BertTextConfig::From);
    Try(config, GlideTextConfig::From);
    Try(config, [](const Config& c) { GlideSampler(c); });
    Try(config, [](const Config& c) {
      const SamplerConfig sampler = SamplerConfig::From(c);
      MakeSampler(DefaultSamplerName(sampler), sampler, 4);
    });
  });
  return 0;
}
