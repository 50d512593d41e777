#include "server/store/object_store.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mind::server {

std::string ObjectKey(const std::string& job_id, const std::string& hash) {
  return absl::StrCat("jobs/", job_id, "/", absl::BytesToHexString(hash));
}

std::string UploadKey(const v1::ImageRef& image) {
  return absl::StrCat("jobs/", image.job_id(), "/", image.image_index(), ".", image.attempt());
}

}  // namespace mind::server
