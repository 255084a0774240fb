// SPDX-License-Identifier: MIT
#include "app/model_session.hpp"

#include <vector>

#include "app/model_path.hpp"
#include "base/concat.hpp"

namespace clip::app {

DType parse_precision(const std::string& text, Device device) {
    if (text == "auto")
        return device.is_cpu() ? DType::f32 : DType::f16;
    if (text == "fp32")
        return DType::f32;
    if (text == "bf16")
        return DType::bf16;
    if (text == "fp16")
        return DType::f16;
    if (text == "int8" && !device.is_cpu())
        fail(ErrorCode::unsupported,
             concat("--precision int8: not on ", device.to_string(), " (want fp16, bf16 or fp32)"));
    if (text == "int8")
        return DType::i8;
    fail(ErrorCode::invalid_argument,
         concat("read --precision: got '", text, "', want fp32, bf16, fp16, int8 or auto"));
}

std::optional<Activation> parse_activation(const std::string& text) {
    if (text.empty())
        return std::nullopt;
    if (text == "quick-gelu")
        return Activation::quick_gelu;
    if (text == "gelu")
        return Activation::gelu;
    fail(ErrorCode::invalid_argument,
         concat("read --activation: got '", text, "', want quick-gelu or gelu"));
}

std::vector<std::string> tokenizer_places(const Checkpoint& checkpoint,
                                          const Environment& environment) {
    std::vector<std::string> places = checkpoint.tokenizer_places;
    if (!environment.vocabulary.empty())
        places.push_back(environment.vocabulary);
    places.push_back(environment.data_folder);
    return places;
}

Machine::Machine(const ModelSettings& settings)
    : device_(settings.device), options_(settings.backend), pool_(settings.threads) {
    if (device_ == "auto" && settings.precision == "int8") // which GPUs have not
        device_ = "cpu";
    if (device_ != "auto" || parse_device(device_).is_cpu())
        backend();
}

Backend& Machine::backend() {
    if (backend_ == nullptr)
        backend_ = make_named_backend(device_, pool_, options_, &passed_over_);
    return *backend_;
}

Backend& Machine::host_backend() {
    if (backend_ != nullptr && backend_->device().is_cpu())
        return *backend_;
    if (host_backend_ == nullptr)
        host_backend_ = make_backend(Device{}, pool_, options_);
    return *host_backend_;
}

ModelSession::ModelSession(const ModelSettings& settings, const Environment& environment,
                           Machine& machine, Reporter& reporter)
    : environment_(environment), machine_(machine), reporter_(reporter) {
    const ModelOptions options{.storage =
                                   parse_precision(settings.precision, machine.backend().device())};
    if (!machine.passed_over().empty())
        reporter.warning("", machine.passed_over());
    Checkpoint checkpoint = open_checkpoint(find_model(settings.model, environment),
                                            {.activation = parse_activation(settings.activation)});
    for (const std::string& note : checkpoint.notes)
        reporter.warning("", note);
    reporter.detail(concat("model ", checkpoint.id(), " from ", checkpoint.path, " (",
                           checkpoint.layout, "; activation: ", checkpoint.config.activation_source,
                           ")"));
    reporter.detail(concat("computing with ", machine.backend().name(), " (",
                           machine.backend().implementation("linear"), "), ", machine.pool().size(),
                           " threads, weights kept as ", dtype_name(options.storage)));
    model_ = std::make_unique<ClipModel>(std::move(checkpoint), machine.backend(), options);
}

const Tokenizer& ModelSession::tokenizer() {
    if (!tokenizer_) {
        const std::vector<std::string> places =
            tokenizer_places(model_->checkpoint(), environment_);
        tokenizer_ = find_tokenizer(places, model_->config().text.vocab_size);
        if (!tokenizer_) {
            std::string looked;
            for (const std::string& place : places)
                looked += concat(looked.empty() ? "" : ", ", place);
            fail(ErrorCode::not_found,
                 concat("find a tokenizer: no vocab.json with merges.txt, tokenizer.json or "
                        "bpe_simple_vocab_16e6.txt.gz in ",
                        looked, "; set CLIP_VOCAB to one"));
        }
        reporter_.detail(concat("tokenizer from ", tokenizer_->source()));
    }
    return *tokenizer_;
}

} // namespace clip::app
