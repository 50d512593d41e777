// The pictures that a request brings: source, mask, depth, those that it goes by
// and those that steer it.
//
// Outside the server a spec holds their bytes; inside it holds their hashes in place of them, so that jobs
// are small wherever they go. The bytes lie in the store and go to workers with the assignment.
#ifndef MIND_SERVER_STORE_SOURCE_PICTURES_H_
#define MIND_SERVER_STORE_SOURCE_PICTURES_H_

#include <map>
#include <string>
#include <vector>

#include "mind/v1/image.pb.h"
#include "server/store/blob.h"

namespace mind::server {

struct SourcePicture {
  std::string field;  // of the spec: "source_image", "controls[0].image"
  Blob blob;
};
// Bytes by hash.
using PictureBytes = std::map<std::string, std::string>;

// Leaves their hashes in their places. Takes time in proportion to their size: not for the loop.
std::vector<SourcePicture> TakePictures(v1::ImageSpec& spec);
bool HasPictures(const v1::ImageSpec& spec);
// The other way round. False: one is not among those.
bool PutPictures(PictureBytes pictures, v1::ImageSpec& spec);
void DropPictures(v1::ImageSpec& spec);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SOURCE_PICTURES_H_
