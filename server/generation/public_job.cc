#include "server/generation/public_job.h"

#include <google/protobuf/util/field_mask_util.h>

namespace mind::server {

v1::Job PublicJob(const v1::Job& job) {
  using google::protobuf::util::FieldMaskUtil;
  // Copied without its pictures instead of copied and emptied: they are megabytes, and this is the loop's
  // thread.
  static const google::protobuf::FieldMask* const outside = [] {
    google::protobuf::FieldMask inside;
    for (const char* const path : {"spec.source_image", "spec.mask_image", "spec.depth_image"}) {
      inside.add_paths(path);
    }
    auto* const mask = new google::protobuf::FieldMask;
    FieldMaskUtil::Subtract<v1::Job>(FieldMaskUtil::GetFieldMaskForAllFields<v1::Job>(), inside, mask);
    return mask;
  }();
  v1::Job result;
  FieldMaskUtil::MergeMessageTo(job, *outside, {}, &result);
  return result;
}

}  // namespace mind::server
