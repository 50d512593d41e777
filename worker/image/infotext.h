// The line of text that other tools read a picture's settings from: A1111's "infotext".
// Format: AUTOMATIC1111/stable-diffusion-webui modules/processing.py create_infotext, infotext_utils.py.
#ifndef MIND_WORKER_IMAGE_INFOTEXT_H_
#define MIND_WORKER_IMAGE_INFOTEXT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mind::image {

struct Infotext {
  std::string prompt;
  std::string negative_prompt;
  // Of further text encoders, by the names they are written under.
  std::vector<std::pair<std::string, std::string>> further_prompts;
  int64_t steps = 0;
  std::string sampler;             // our name; written as A1111 calls it where it has a name for it
  std::string sampler_parameters;  // as JSON; empty: none
  double guidance = 0;
  double guidance_rescale = 0;
  // The shares of the steps that guidance acts in.
  double guidance_begin = 0;
  double guidance_end = 1;
  // As what guidance adds is projected (APG); as they are here: it is not.
  struct Projected {
    double momentum = 0;
    double norm_threshold = 0;
    double eta = 1;
  };
  Projected projected;
  // What leads away from perturbed layers; a scale of 0: nothing does.
  struct Perturbed {
    double scale = 0;
    double fall = 0;
    std::string layers;
    double after = -1;  // shares of the steps that it acts between; less than 0: from the first on
    double before = 1;
  };
  Perturbed perturbed;
  int64_t clip_skip = 0;      // layers left out
  double strength = 0;        // of going from a source picture; 0: there is none
  int64_t references = 0;     // pictures that it was changed by; 0: not said
  std::string source_fit;     // "crop" or "fill"; empty: the picture is drawn out
  double mask_blur = -1;      // -1: its grey levels do not count
  int64_t mask_padding = -1;  // of what was painted alone; -1: the whole picture was
  std::string mask_fill;      // "fill", "latent noise" or "latent nothing"; empty: the picture
  // Of a second pass; 0 steps: there was none.
  struct Hires {
    double scale = 0;  // 0: the size was asked for
    int width = 0;
    int height = 0;
    int64_t steps = 0;
    std::string upscaler;
  };
  Hires hires;
  bool tiling = false;
  std::string vae;  // in place of the model's own: its name; empty: none
  std::string vae_hash;
  std::string class_label;   // empty: none
  int64_t noise_level = -1;  // of an upscaler; -1: none
  uint64_t seed = 0;
  uint64_t variation_seed = 0;
  double variation_strength = 0;  // 0: there is none
  int width = 0;
  int height = 0;
  std::string model;
  std::string version;
};

std::string FormatInfotext(const Infotext& info);

// An infotext read again, ours or another program's.
struct InfotextFields {
  std::string prompt;
  std::string negative_prompt;
  // "Steps", "Sampler", …, in the order written; empty where the last line holds no settings.
  std::vector<std::pair<std::string, std::string>> values;
};

// Takes any text; one without settings is a prompt.
InfotextFields ParseInfotext(std::string_view text);

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_INFOTEXT_H_
