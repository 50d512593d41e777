// What a model directory offers, known without loading its weights.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_MODEL_INFO_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_MODEL_INFO_H_

#include <cstdint>
#include <string>
#include <vector>

#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {

// What the network in a model's scorer/ leads towards.
enum class ScorerKind { kNone, kText, kClass };

struct ScorerInfo {
  ScorerKind kind = ScorerKind::kNone;
  int64_t class_count = 0;  // of kClass

  bool operator==(const ScorerInfo&) const = default;
};

// A stage beside the one that a request's steps are for, as far as a request may say how it is sampled.
struct LaterStageInfo {
  std::string name;  // of a cascade's the model's, else what it does
  int64_t default_steps = 0, max_steps = 0;
  bool fixed_guidance = false;  // it takes none of its own
  double default_guidance = 1;
  int64_t default_noise_level = 0, max_noise_level = 0;

  bool operator==(const LaterStageInfo&) const = default;
};

// An autoencoder beside the worker's models, which a request may choose.
struct VaeInfo {
  std::string name, path;
  std::string unfit;  // why it does not fit the model; empty: it does

  bool operator==(const VaeInfo&) const = default;
};

struct ModelInfo {
  std::string name;      // the directory's
  std::string pipeline;  // model_index.json's _class_name
  // Differs where another copy of the model's files, or another precision, may make other pictures.
  std::string revision;
  std::string precision;  // what a worker computes it in, as NameOf has it; empty until one is told
  bool takes_prompt = false;
  bool takes_negative_prompt = false;
  int64_t max_clip_skip = 0;            // how many last layers of the text encoder a request may leave out
  bool takes_second_prompt = false;     // has two text encoders, which may read different prompts
  bool takes_third_prompt = false;      // likewise a third
  bool takes_sizes = false;             // is told of the frame a picture is cut out of
  bool takes_aesthetic_score = false;   // and how beautiful it shall be
  bool takes_source = true;             // a picture to begin with, and a mask of what to paint anew in it
  bool edits = false;                   // changes a picture as the prompt says: nothing without one …
  bool makes_too = false;               // … unless it makes pictures of the prompt alone as well
  bool takes_picture_guidance = false;  // is guided by the picture that it changes, in a row of its own
  // How many pictures it goes by that changes them, seen whole; 0: it takes one to its own size, or none.
  int64_t most_references = 0;
  int64_t reference_pixels = 0;  // that each of those is seen at, about, or at most
  bool varies = false;           // makes pictures like one that it sees as a whole: nothing without one
  bool takes_guidance = false;   // is guided away from what it makes of nothing, in rows of its own
  // Of a model that is told its guidance as a number: a negative prompt leads it nevertheless, in such a row.
  bool negative_prompt_guides = false;
  bool takes_perturbed = false;  // can be guided away from itself with layers that look at nothing
  // The steps in which it is, unless a request says others (PerturbedSteps).
  double perturbed_after = -1, perturbed_before = 1;
  ScorerInfo scorer;
  bool takes_prior_guidance = false;  // has a prior, which is guided by a scale of its own
  bool takes_hires = false;           // can go over its own picture again, enlarged
  bool takes_tiling = false;          // can make pictures whose edges are neighbours
  bool needs_mask = false;            // made for inpainting: nothing without picture and mask
  bool needs_depth = false;           // made for pictures with depth: nothing without both
  // More than 1: the model makes pictures so many times larger. Alone it needs a source picture of that
  // smaller size; as a later stage of a cascade it goes on from the stage before.
  int64_t enlargement = 1;
  // Most noise that may be put on an upscaler's source, or on a picture's embedding, in training steps.
  int64_t max_noise_level = 0;
  int64_t default_noise_level = 20;  // where there is any
  // The classes of a class-conditional model, by number; a name may hold several words for one class,
  // separated by ", ". Empty: none, or (class_count > 0) nameless.
  std::vector<std::string> class_names;
  int64_t class_count = 0;
  std::vector<std::string> languages;     // of prompts, BCP 47; empty: not known, or no prompt
  std::vector<std::string> loras;         // that a request may name
  std::vector<std::string> learnt_words;  // that prompts may have (textual inversion)
  std::vector<std::string> controls;      // networks beside it that a request's pictures may steer it by
  // How many kinds of pictures each of those knows by number; 0: one, without a number.
  std::vector<int64_t> control_kinds;
  std::vector<std::string> picture_adapters;  // through which pictures are prompts
  std::vector<VaeInfo> vaes;                  // beside it
  std::vector<std::string> stages;            // of a cascade: the names of the models it goes through
  // Of a cascade or a model of several networks: the stages that a request may say something of, in order.
  std::vector<LaterStageInfo> later_stages;
  int64_t later_steps = 0;  // what those take beyond the steps asked for

  // Pixels. Any size that is a multiple and within the bounds is served; the default is what the model was
  // trained at.
  int64_t size_multiple = 8;
  int64_t default_width = 512, default_height = 512;
  int64_t max_width = 2048, max_height = 2048;

  int64_t train_steps = 1000;  // the most steps a request may ask for
  int64_t default_steps = 30;
  double default_guidance = 7.5;  // 1 where the model takes no prompt
  std::string default_sampler;
  std::vector<SamplerInfo> samplers;

  bool operator==(const ModelInfo&) const = default;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_MODEL_INFO_H_
