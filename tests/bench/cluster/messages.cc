#include "tests/bench/cluster/messages.h"

#include <algorithm>
#include <stdexcept>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/support/time.h"

namespace mind::simulation {

v1::Job JobOf(const Arrival& arrival, const Pool& pool, const std::string& id, absl::Time now) {
  v1::Job job;
  job.set_id(id);
  job.set_tenant(absl::StrCat("tenant-", arrival.tenant));
  job.set_state(v1::JOB_STATE_QUEUED);
  job.set_priority(v1::PRIORITY_NORMAL);
  job.set_steps_total(arrival.steps * arrival.pictures);
  *job.mutable_create_time() = ToTimestamp(now);
  v1::ImageSpec& spec = *job.mutable_spec();
  spec.set_model(pool.model);
  spec.set_sampler("euler");
  spec.set_width(pool.kinds[arrival.kind].side);
  spec.set_height(pool.kinds[arrival.kind].side);
  spec.set_steps(arrival.steps);
  spec.set_image_count(arrival.pictures);
  return job;
}

double RowsOf(const v1::Job& job) {
  return 2.0 * job.steps_total();
}

v1::Register Registration(const std::string& worker, const Pool& pool) {
  v1::Register registration;
  registration.set_name(worker);
  v1::Model& model = *registration.add_models();
  model.set_name(pool.model);
  model.set_size_multiple(8);
  model.set_default_width(pool.kinds.front().side);
  model.set_default_height(pool.kinds.front().side);
  model.set_max_width(4096);
  model.set_max_height(4096);
  model.set_max_steps(1000);
  model.add_samplers()->set_name("euler");
  return registration;
}

v1::ConnectRequest Capacity(const Gpu& gpu, const std::string& model) {
  v1::ConnectRequest message;
  v1::Capacity& capacity = *message.mutable_capacity();
  capacity.set_max_images(gpu.max_images());
  capacity.add_loaded_models(model);
  if (const double seconds = gpu.RowSeconds(); seconds > 0) {
    v1::ModelSpeed& speed = *capacity.add_speeds();
    speed.set_model(model);
    speed.set_row_seconds(seconds);
  }
  return message;
}

v1::ConnectRequest Started(const Gpu::Picture& picture) {
  v1::ConnectRequest message;
  *message.mutable_image_started()->mutable_image() = picture.image;
  return message;
}

v1::ConnectRequest Progress(const std::vector<Gpu::Picture>& pictures) {
  v1::ConnectRequest message;
  for (const Gpu::Picture& picture : pictures) {
    v1::ImageProgress& progress = *message.mutable_images_progress()->add_images();
    *progress.mutable_image() = picture.image;
    progress.set_step(picture.done);
    progress.set_steps(picture.done + picture.left);
  }
  return message;
}

v1::ConnectRequest Result(const Gpu::Picture& picture) {
  v1::ConnectRequest message;
  *message.mutable_image_result()->mutable_image() = picture.image;
  return message;
}

v1::ConnectRequest Draining() {
  v1::ConnectRequest message;
  message.mutable_draining();
  return message;
}

v1::ConnectRequest HandedBack(const Gpu::Picture& picture) {
  v1::ConnectRequest message;
  v1::ImageHandedBack& handed = *message.mutable_image_handed_back();
  *handed.mutable_image() = picture.image;
  handed.set_step(picture.done);
  if (picture.done > 0) handed.set_checkpoint(absl::StrCat(picture.done));
  return message;
}

std::vector<Gpu::Picture> PicturesOf(const v1::Assign& assign, const Pool& pool) {
  const auto kind = std::find_if(pool.kinds.begin(), pool.kinds.end(),
                                 [&](const Kind& each) { return each.side == assign.spec().width(); });
  std::vector<Gpu::Picture> pictures;
  for (const v1::AssignedImage& assigned : assign.images()) {
    Gpu::Picture& picture = pictures.emplace_back();
    picture.image.set_job_id(assign.job_id());
    picture.image.set_attempt(assign.attempt());
    picture.image.set_image_index(assigned.image_index());
    picture.kind = static_cast<size_t>(kind - pool.kinds.begin());
    if (!assigned.checkpoint().empty() && !absl::SimpleAtoi(assigned.checkpoint(), &picture.done)) {
      throw std::logic_error(absl::StrCat(assign.job_id(), ": a checkpoint that nobody made"));
    }
    picture.left = assign.spec().steps() - picture.done;
  }
  return pictures;
}

}  // namespace mind::simulation
