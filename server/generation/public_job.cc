#include "server/generation/public_job.h"

#include "server/store/source_pictures.h"

namespace mind::server {

v1::Job PublicJob(v1::Job job) {
  DropPictures(*job.mutable_spec());
  return job;
}

}  // namespace mind::server
