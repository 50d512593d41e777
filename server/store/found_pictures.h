// What a reader has found of pictures: their bytes, or the objects that they are.
#ifndef MIND_SERVER_STORE_FOUND_PICTURES_H_
#define MIND_SERVER_STORE_FOUND_PICTURES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/job_reader.h"
#include "server/store/object_store.h"
#include "server/store/source_pictures.h"

namespace mind::server {

struct FoundImage {
  StoredImage image;  // without data where it is an object
  std::optional<StoredObject> object;
};
struct FoundSources {
  PictureBytes bytes;
  std::vector<StoredObject> objects;
};

// Reads what are objects and answers with the bytes of all. `objects` may be null: then it is UNAVAILABLE
// where there are any. One that is gone is no picture, and of a request's DATA_LOSS.
void ReadObjects(absl::StatusOr<std::optional<FoundImage>> found, ObjectStore* objects,
                 StoreDone<std::optional<StoredImage>> done);
void ReadObjects(const std::string& job_id, absl::StatusOr<FoundSources> found, ObjectStore* objects,
                 StoreDone<PictureBytes> done);

// A picture that a request brought is no longer there.
absl::Status SourceGone(const std::string& job_id);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_FOUND_PICTURES_H_
