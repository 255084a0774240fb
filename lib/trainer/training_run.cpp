// SPDX-License-Identifier: MIT
#include "trainer/training_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "model/weights.hpp"
#include "ops/adamw.hpp"
#include "ops/add.hpp"
#include "tensor/staging.hpp"
#include "trainer/initialize.hpp"
#include "trainer/rank_sums.hpp"
#include "trainer/schedule.hpp"
#include "trainer/validation.hpp"

namespace clip::trainer {

namespace {

using Clock = std::chrono::steady_clock;

// As Micikevicius et al. 2018 (arXiv:1710.03740), section 3.2, and PyTorch's GradScaler do it.
constexpr double kFirstScale = 65536, kLargestScale = 16777216;
constexpr std::uint64_t kGoodSteps = 2000;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

train::LoaderOptions loader_options(const Recipe& recipe, const RunSettings& settings,
                                    const RunInputs& inputs, const RunState& state) {
    train::LoaderOptions options;
    options.sample = inputs.sample;
    options.sample.seed = recipe.seed;
    options.sample.training = true;
    options.sample.fast_jpeg = recipe.fast_jpeg;
    options.sample.context_length = static_cast<std::size_t>(inputs.config.text.context_length);
    options.sample.preprocess.size = static_cast<int>(inputs.config.vision.image_size);
    options.sample.preprocess.mean = inputs.config.mean;
    options.sample.preprocess.std = inputs.config.std;
    options.batch_size = recipe.batch_size;
    options.rank = static_cast<std::size_t>(inputs.ranks.rank());
    options.ranks = static_cast<std::size_t>(inputs.ranks.size());
    options.shuffle_buffer = recipe.shuffle_buffer;
    options.threads = settings.loader_threads;
    options.ahead = settings.ahead;
    options.epoch = state.epoch;
    options.batch = state.batch;
    options.end_epoch = recipe.epochs;
    options.on_skip = inputs.on_skip;
    return options;
}

/// Everything of one call of train().
class Run {
  public:
    Run(const Recipe& recipe, const RunSettings& settings, const RunInputs& inputs)
        : recipe_(recipe), settings_(settings), inputs_(inputs), memory_(inputs.backend.memory()),
          arena_(memory_), sums_(inputs.ranks),
          parameters_(inputs.config, extra_parameters(inputs.config, recipe.objective),
                      locked_prefixes(recipe), memory_),
          context_{inputs.backend,  parameters_, arena_,
                   settings.frugal, sums_.get(), recipe.precision} {
        for (const DType dtype : {recipe.precision, DType::f32})
            if (!inputs.backend.takes(dtype))
                fail(ErrorCode::unsupported, concat("train: the backend ", inputs.backend.name(),
                                                    " does not compute in ", dtype_name(dtype)));
        begin_state();
        learner_ = make_learner({context_, inputs.config, inputs.ranks, recipe.objective});
        loader_.emplace(inputs.pairs, inputs.tokenizer,
                        loader_options(recipe, settings, inputs, state_));
        total_ = loader_->batches_per_epoch() * recipe.epochs;
    }

    /// Says with what ends it that there is a state to go on from, as far as that can help.
    RunResult run() {
        try {
            return all_steps();
        } catch (const Error& error) {
            const ErrorCode code = error.code();
            const bool may_pass = code == ErrorCode::device_failure ||
                                  code == ErrorCode::internal || code == ErrorCode::out_of_memory ||
                                  code == ErrorCode::io_failure;
            if (saved_ == 0 || !may_pass)
                throw;
            throw Error(code,
                        concat(error.what(), "; the state of step ", saved_,
                               " is kept; the same command with --resume goes on from there"),
                        error.where());
        }
    }

  private:
    RunResult all_steps() {
        const std::uint64_t first = state_.step;
        train::Batch batch;
        bool stopped = false;
        double waited = 0;
        while (!stopped) {
            const auto begin = Clock::now();
            if (!loader_->next(batch))
                break;
            StepRecord record = step_in_memory(batch);
            record.seconds = seconds_since(begin);
            record.samples_per_second = static_cast<double>(recipe_.batch_size) / record.seconds;
            const train::LoaderStats& stats = loader_->stats();
            record.waited = stats.waited - waited;
            waited = stats.waited;
            record.skipped = stats.all_skipped();
            record.truncated = stats.truncated;
            if (inputs_.on_step)
                inputs_.on_step(record);
            const bool ends = state_.step - first == settings_.stop_after && first < state_.step;
            stopped = inputs_.ranks.any(ends || stop_asked());
            after_step(batch.last_of_epoch, stopped);
            if (batch.last_of_epoch) // a validation takes its time, and the state was saved
                stopped = inputs_.ranks.any(stopped || stop_asked());
        }
        if (first == total_)
            write_model(); // the state of a finished run whose model may have been lost
        return {.steps = state_.step,
                .interrupted = state_.step < total_,
                .stats = loader_->stats(),
                .model_id = model_id_};
    }

    bool stop_asked() const { return inputs_.stop != nullptr && *inputs_.stop; }
    bool writes() const { return inputs_.folder != nullptr && inputs_.ranks.rank() == 0; }

    void begin_state() {
        state_.settings = inputs_.settings;
        state_.settings.merge(recipe_settings(recipe_));
        if (recipe_.average > 0)
            average_ = Tensor(parameters_.block(Block::weights).shape, DType::f32, memory_);
        if (scales_loss())
            state_.loss_scale = kFirstScale;
        if (inputs_.folder != nullptr && inputs_.folder->has_state()) {
            state_ = inputs_.folder->load(parameters_, average(), state_.settings);
            saved_ = state_.step;
            if (scales_loss() != (state_.loss_scale > 0)) // it went on with another device
                state_.loss_scale = scales_loss() ? kFirstScale : 0;
            return;
        }
        initialize_model(parameters_, inputs_.config, recipe_.seed);
        initialize_extra(parameters_, inputs_.config, recipe_.objective, recipe_.seed);
        if (inputs_.init)
            for (const WeightSpec& spec : weight_specs(inputs_.config))
                parameters_.set(spec.name, [&](MutView weight) {
                    inputs_.init(spec.name, 0, spec.shape.numel(), weight.f32());
                });
        if (!average_.empty())
            memory_.copy(average().data, parameters_.block(Block::weights).data, average().bytes());
    }

    LearnerBatch learner_batch(const train::Batch& batch) const {
        const std::int64_t n = std::ssize(batch.texts), side = inputs_.config.vision.image_size;
        const auto ranks = static_cast<std::uint64_t>(inputs_.ranks.size());
        return {.pictures = {batch.pixels.data(), Shape{n, 3, side, side}, DType::f32, Device{}},
                .texts = batch.texts,
                .global_rows = recipe_.batch_size,
                .first_row =
                    recipe_.batch_size * static_cast<std::uint64_t>(inputs_.ranks.rank()) / ranks,
                .loss_scale = static_cast<float>(loss_scale())};
    }

    StepRecord step_in_memory(const train::Batch& batch) {
        try {
            return step(batch);
        } catch (const Error& error) {
            if (error.code() != ErrorCode::out_of_memory)
                throw;
            // Where there is a state, the batch and its slices can no longer be others.
            throw Error(error.code(),
                        concat(error.what(), saved_ == 0
                                                 ? " (hint: fewer rows at a time need less: "
                                                   "--accumulate, --checkpoint-activations, or a "
                                                   "smaller -b)"
                                                 : " (hint: --checkpoint-activations needs less)"),
                        error.where());
        }
    }

    /// Forward, backward, and the change of the weights.
    StepRecord step(const train::Batch& batch) {
        const std::uint64_t number = state_.step + 1;
        StepRecord record{.step = number, .epoch = batch.epoch};
        parameters_.zero_grads();
        record.loss = learner_->learn(learner_batch(batch), recipe_.slices);
        check_finite("loss", record.loss, number);
        add_up_gradients();
        record.loss_scale = state_.loss_scale;
        record.grad_norm = ops::grad_norm(inputs_.backend, parameters_.for_adamw()) / loss_scale();
        record.learning_rate = learning_rate_at(recipe_.learning_rate, number,
                                                warmup_of(recipe_.warmup, total_), total_);
        if (scales_loss() && !std::isfinite(record.grad_norm)) {
            record.grad_norm = 0; // and the weights stay as they are
            if (state_.loss_scale <= 1)
                fail_not_finite("norm of the gradient is not a number", number);
            state_.loss_scale /= 2;
            state_.good_steps = 0;
        } else {
            check_finite("norm of the gradient", record.grad_norm, number);
            change_weights(record);
        }

        state_.step = number;
        state_.samples += recipe_.batch_size;
        state_.epoch = batch.last_of_epoch ? batch.epoch + 1 : batch.epoch;
        state_.batch = batch.last_of_epoch ? 0 : batch.number + 1;
        record.samples = state_.samples;
        record.logit_scale =
            std::exp(static_cast<double>(std::as_const(parameters_).scalar("logit_scale")));
        return record;
    }

    void change_weights(const StepRecord& record) {
        const bool clips = recipe_.grad_clip > 0 && record.grad_norm > recipe_.grad_clip;
        ops::adamw(
            inputs_.backend,
            {.parameters = parameters_.for_adamw(),
             .learning_rate = record.learning_rate,
             .beta1 = recipe_.beta1,
             .beta2 = recipe_.beta2,
             .eps = recipe_.eps,
             .weight_decay = recipe_.weight_decay,
             .grad_scale = static_cast<float>(
                 (clips ? recipe_.grad_clip / (record.grad_norm + 1e-6) : 1.0) / loss_scale()),
             .step = static_cast<std::int64_t>(record.step)});
        learner_->clip_parameters();
        learner_->refresh();
        average_weights(record.step);
        if (scales_loss() && ++state_.good_steps >= kGoodSteps) {
            state_.good_steps = 0;
            state_.loss_scale = std::min(2 * state_.loss_scale, kLargestScale);
        }
    }

    /// Small gradients are 0 in float16: the loss is multiplied by as much as all of them bear.
    bool scales_loss() const {
        return recipe_.precision == DType::f16 && inputs_.backend.loss_scaling();
    }
    double loss_scale() const { return state_.loss_scale > 0 ? state_.loss_scale : 1; }

    /// Makes the gradients of all ranks those of the batch.
    void add_up_gradients() {
        if (parameters_.on_host()) {
            inputs_.ranks.all_reduce_sum(parameters_.grads());
            return;
        }
        if (inputs_.ranks.size() == 1)
            return;
        HostCopy grads(parameters_.block(Block::grads), memory_);
        inputs_.ranks.all_reduce_sum(
            {grads.f32(), static_cast<std::size_t>(parameters_.block(Block::grads).numel())});
        grads.put_back();
    }

    static void check_finite(const char* what, double value, std::uint64_t step) {
        if (!std::isfinite(value))
            fail_not_finite(concat(what, " is not a number"), step);
    }

    [[noreturn]] static void fail_not_finite(const std::string& what, std::uint64_t step) {
        fail(ErrorCode::bad_format,
             concat("train: the ", what, " in step ", step,
                    "; nothing of it was saved (a smaller --lr or --grad-clip 1 may help)"));
    }

    void average_weights(std::uint64_t step) {
        if (average_.empty())
            return;
        // The first steps are not remembered for long: weights are far from what they become.
        const double wanted = recipe_.average;
        const auto keep = static_cast<float>(
            std::min(wanted, static_cast<double>(step) / (static_cast<double>(step) + 9.0)));
        ops::blend(inputs_.backend,
                   {.x = parameters_.block(Block::weights), .amount = 1.0F - keep, .y = average()});
    }

    /// The weights that a model is made of.
    ConstView model_weights() const {
        return average_.empty() ? parameters_.block(Block::weights) : average_.view();
    }
    MutView average() { return average_.empty() ? MutView{} : average_.view(); }

    void after_step(bool epoch_ended, bool stopping) {
        const bool last = state_.step == total_;
        const bool saves = epoch_ended || stopping || last ||
                           (settings_.save_every > 0 && state_.step % settings_.save_every == 0);
        if (saves)
            save();
        if (epoch_ended)
            write_model();
        if (epoch_ended && inputs_.validation != nullptr &&
            (state_.epoch % std::max<std::uint64_t>(1, settings_.validate_every) == 0 || last))
            validate();
    }

    void save() {
        // A state whose next step can only fail would take the place of one that can go on. All
        // ranks look, since all of them end.
        if (!weights_are_finite())
            fail_not_finite("weights are no longer finite", state_.step);
        if (writes())
            inputs_.folder->save(state_, parameters_, average());
        if (inputs_.folder != nullptr)
            saved_ = state_.step;
    }

    bool weights_are_finite() {
        if (parameters_.on_host())
            return std::ranges::all_of(parameters_.weights(),
                                       [](float weight) { return std::isfinite(weight); });
        // The squares of all float32 numbers have a sum in float64.
        const MutView weights = parameters_.block(Block::weights);
        const AdamWParameter all{.grad = weights.f32(), .count = weights.numel()};
        return std::isfinite(inputs_.backend.sum_of_squares({.parameters = std::span(&all, 1)}));
    }

    void write_model() {
        if (writes())
            model_id_ = inputs_.folder->write_model(inputs_.config, parameters_, model_weights(),
                                                    inputs_.beside, state_.step, settings_.keep);
    }

    void validate() {
        if (inputs_.ranks.rank() != 0)
            return;
        swap_average();
        learner_->refresh();
        std::optional<ValidationRecord> record = trainer::validate(
            *learner_, recipe_.objective.objective, *inputs_.validation, inputs_.tokenizer,
            loader_options(recipe_, settings_, inputs_, {}), inputs_.stop);
        swap_average();
        learner_->refresh(); // gives the memory of inference's towers back
        if (!record)
            return;
        record->step = state_.step;
        record->samples = state_.samples;
        record->epoch = state_.epoch - 1;
        if (inputs_.on_validation)
            inputs_.on_validation(*record);
    }

    void swap_average() {
        if (average_.empty())
            return;
        const MutView weights = parameters_.block(Block::weights), mean = average();
        if (parameters_.on_host()) {
            std::swap_ranges(mean.f32(), mean.f32() + mean.numel(), weights.f32());
            return;
        }
        Tensor other(weights.shape, DType::f32, memory_);
        memory_.copy(other.view().data, weights.data, weights.bytes());
        memory_.copy(weights.data, mean.data, weights.bytes());
        memory_.copy(mean.data, other.view().data, weights.bytes());
    }

    const Recipe& recipe_;
    const RunSettings& settings_;
    const RunInputs& inputs_;
    Memory& memory_;
    Arena arena_;
    RankSums sums_;
    Parameters parameters_;
    TowerContext context_;
    RunState state_;
    std::uint64_t saved_ = 0; ///< the step of the state in the folder; 0: there is none
    Tensor average_;          ///< laid out as the weights; empty where none is kept
    std::unique_ptr<Learner> learner_;
    std::optional<train::BatchLoader> loader_;
    std::uint64_t total_ = 0;
    std::string model_id_;
};

} // namespace

RunResult train(const Recipe& recipe, const RunSettings& settings, const RunInputs& inputs) {
    return Run(recipe, settings, inputs).run();
}

} // namespace clip::trainer
