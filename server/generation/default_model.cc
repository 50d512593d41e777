#include "server/generation/default_model.h"

#include <algorithm>

#include "server/generation/reference_pictures.h"

namespace mind::server {
namespace {

template <typename Range, typename Value>
bool Contains(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

// Of the models that change pictures, whether it does so by what the request says of that.
bool TakesEdit(const v1::Model& model, const v1::ImageSpec& spec) {
  return (model.takes_picture_guidance() || !spec.has_picture_guidance()) &&
         CheckReferences(model, spec).ok();
}

}  // namespace

v1::Task TaskOf(const v1::ImageSpec& spec) {
  if (spec.has_picture_guidance() || !spec.reference_images().empty()) return v1::TASK_EDIT;
  if (!spec.depth_image().empty()) return v1::TASK_DEPTH_TO_IMAGE;
  if (!spec.mask_image().empty()) return v1::TASK_INPAINT;
  if (!spec.source_image().empty())
    return spec.has_noise_level() ? v1::TASK_UPSCALE : v1::TASK_IMAGE_TO_IMAGE;
  return spec.class_label().empty() ? v1::TASK_TEXT_TO_IMAGE : v1::TASK_CLASS_TO_IMAGE;
}

std::vector<const v1::Model*> ModelsMeant(const v1::ImageSpec& spec,
                                          const std::vector<const v1::Model*>& served) {
  if (served.size() == 1) return served;
  std::vector<const v1::Model*> fitting = served;
  const v1::Task task = TaskOf(spec);
  std::erase_if(fitting, [&](const v1::Model* model) {
    return !Contains(model->tasks(), task) || !TakesEdit(*model, spec);
  });
  std::vector<const v1::Model*> meant = fitting;
  std::erase_if(meant, [&fitting](const v1::Model* model) {
    return std::any_of(fitting.begin(), fitting.end(), [model](const v1::Model* other) {
      return other != model && Contains(other->stages(), model->name());
    });
  });
  return meant;
}

}  // namespace mind::server
