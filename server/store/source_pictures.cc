#include "server/store/source_pictures.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

struct Field {
  const char* name;
  const std::string& (v1::ImageSpec::*get)() const;
  std::string* (v1::ImageSpec::*change)();
};
constexpr Field kFields[] = {
    {"source_image", &v1::ImageSpec::source_image, &v1::ImageSpec::mutable_source_image},
    {"mask_image", &v1::ImageSpec::mask_image, &v1::ImageSpec::mutable_mask_image},
    {"depth_image", &v1::ImageSpec::depth_image, &v1::ImageSpec::mutable_depth_image},
};

// Where a spec has pictures.
struct Place {
  std::string field;
  std::string* bytes;
};

std::vector<Place> PlacesIn(v1::ImageSpec& spec) {
  std::vector<Place> places;
  for (const Field& field : kFields) {
    if (!(spec.*field.get)().empty()) places.push_back({field.name, (spec.*field.change)()});
  }
  for (int i = 0; i < spec.reference_images_size(); ++i) {
    if (!spec.reference_images(i).empty())
      places.push_back({absl::StrCat("reference_images[", i, "]"), spec.mutable_reference_images(i)});
  }
  for (int i = 0; i < spec.controls_size(); ++i) {
    if (!spec.controls(i).image().empty()) {
      places.push_back({absl::StrCat("controls[", i, "].image"), spec.mutable_controls(i)->mutable_image()});
    }
  }
  for (int i = 0; i < spec.picture_prompts_size(); ++i) {
    v1::PicturePrompt& prompt = *spec.mutable_picture_prompts(i);
    const std::string field = absl::StrCat("picture_prompts[", i, "]");
    if (!prompt.image().empty()) places.push_back({field + ".image", prompt.mutable_image()});
    if (!prompt.mask().empty()) places.push_back({field + ".mask", prompt.mutable_mask()});
  }
  return places;
}

}  // namespace

std::vector<SourcePicture> TakePictures(v1::ImageSpec& spec) {
  std::vector<SourcePicture> pictures;
  for (const Place& place : PlacesIn(spec)) {
    pictures.push_back({place.field, MakeBlob(std::move(*place.bytes))});
    *place.bytes = pictures.back().blob.hash;
  }
  return pictures;
}

bool HasPictures(const v1::ImageSpec& spec) {
  for (const Field& field : kFields) {
    if (!(spec.*field.get)().empty()) return true;
  }
  return std::any_of(spec.reference_images().begin(), spec.reference_images().end(),
                     [](const std::string& picture) { return !picture.empty(); }) ||
         std::any_of(spec.controls().begin(), spec.controls().end(),
                     [](const v1::ControlPicture& control) { return !control.image().empty(); }) ||
         std::any_of(spec.picture_prompts().begin(), spec.picture_prompts().end(),
                     [](const v1::PicturePrompt& prompt) {
                       return !prompt.image().empty() || !prompt.mask().empty();
                     });
}

bool PutPictures(PictureBytes pictures, v1::ImageSpec& spec) {
  for (const Place& place : PlacesIn(spec)) {
    const auto found = pictures.find(*place.bytes);
    if (found == pictures.end()) return false;
    *place.bytes = found->second;
  }
  return true;
}

void DropPictures(v1::ImageSpec& spec) {
  for (const Place& place : PlacesIn(spec)) place.bytes->clear();
  spec.clear_reference_images();
}

}  // namespace mind::server
