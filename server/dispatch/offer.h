// What one worker offers under a model's name.
//
// Workers may describe one model differently: a smaller GPU has smaller sizes, another directory other LoRAs.
// A request was checked against what the server knows of the model; where it runs, that worker's own word
// counts.
#ifndef MIND_SERVER_DISPATCH_OFFER_H_
#define MIND_SERVER_DISPATCH_OFFER_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "mind/v1/image.pb.h"
#include "mind/v1/model.pb.h"

namespace mind::server {

class Offer {
 public:
  explicit Offer(const v1::Model& model);

  // Whether the worker's own description allows it. REQUIRES: every default filled in.
  bool Allows(const v1::ImageSpec& spec) const;

  // Of equal offers, and of no others.
  const std::string& key() const { return key_; }

  // Of the weights; empty if not known.
  const std::string& revision() const { return revision_; }

  // What it makes where no size is said: the size that its speed is told for. 0: not known.
  double default_megapixels() const { return default_megapixels_; }

 private:
  bool AllowsSize(uint32_t width, uint32_t height) const;
  bool AllowsPictures(const v1::ImageSpec& spec) const;
  bool AllowsControl(const v1::ControlPicture& control) const;
  bool AllowsGuidance(const v1::ImageSpec& spec) const;

  const std::string revision_;
  const double default_megapixels_;
  const uint32_t size_multiple_;
  const uint32_t max_width_;
  const uint32_t max_height_;
  const uint32_t max_steps_;
  const uint32_t max_clip_skip_;
  const bool takes_source_;
  const uint32_t references_;  // pictures that it goes by at most, with the source; 0: it takes none
  const bool enlarges_;
  const bool needs_mask_;
  const bool needs_depth_;
  const bool needs_source_;
  const bool takes_source_fit_;
  const bool takes_hires_;
  const bool takes_tiling_;
  const bool takes_third_prompt_;
  const bool takes_mask_fill_;
  const int later_stages_;  // that a request may say something of
  const bool takes_perturbed_guidance_;
  const bool takes_perturbed_interval_;
  const bool takes_prior_guidance_;
  const bool takes_variation_;
  const bool takes_guidance_interval_;
  const bool takes_projected_guidance_;
  const v1::ScorerKind scorer_;
  const uint32_t scorer_classes_;
  const std::set<std::string> samplers_;
  const std::set<std::string> loras_;
  const std::set<std::string> vaes_;  // that fit, hash and name
  // By network, the kinds of pictures that it knows by number; 0: one, without a number.
  const std::map<std::string, uint32_t> controls_;
  const std::set<std::string> picture_adapters_;
  const std::string key_;
};

// Whether state made with one of two revisions can be gone on with by the other: what is not known is taken
// to be equal.
inline bool SameWeights(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() || a == b;
}

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_OFFER_H_
