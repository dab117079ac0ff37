/*
 * libnvrtc: "compiles" a source to a text that names its kernels. For a file of Sources/CCUDA/kernels these
 * are the names in the registry; for any other source, the names that follow __global__. A line that begins
 * with #error is an error.
 */
#include <cctype>
#include <cstdio>
#include <cstring>
#include <map>
#include <sstream>

#include "device.hpp"

namespace simulated {
namespace {

enum Result { success = 0, program_creation_failure = 2, invalid_program = 4, invalid_option = 5, compilation_error = 6 };

struct Program {
    std::string source, name, log, image;
    std::map<std::string, std::string> headers;
    bool is_portable = false;
};

const int architectures[] = {75, 80, 86, 87, 88, 89, 90, 100, 103, 110, 120, 121};

/* Errors of a source, one line each: those that it raises by #error, and headers that were not given. */
std::string errors_of(const Program &program, const std::string &source, const std::string &name) {
    std::istringstream lines(source);
    std::string line, errors;
    for (int number = 1; std::getline(lines, line); number++) {
        const std::string where = name + "(" + std::to_string(number) + "): ";
        const size_t text = line.find_first_not_of(" \t");
        if (text == line.npos) continue;
        if (line.compare(text, 6, "#error") == 0)
            errors += where + "error: #error directive:" + line.substr(text + 6) + "\n";
        char header[128];
        if (std::sscanf(line.c_str() + text, "#include \"%127[^\"]\"", header) == 1 && !program.headers.count(header)
            && std::strcmp(header, "simt.hpp"))
            errors += where + "catastrophic error: could not open source file \"" + header + "\"\n";
    }
    return errors;
}

/* The word before the first '(' that follows each __global__ and is not __launch_bounds__. */
std::string kernels_of(const std::string &source) {
    std::string names;
    const std::string marker = "__global__";
    for (size_t at = source.find(marker); at != source.npos; at = source.find(marker, at + 1)) {
        size_t open = source.find('(', at);
        while (open != source.npos) {
            size_t end = open;
            while (end > at && std::isspace(static_cast<unsigned char>(source[end - 1]))) end--;
            size_t begin = end;
            while (begin > at && (std::isalnum(static_cast<unsigned char>(source[begin - 1])) || source[begin - 1] == '_'))
                begin--;
            const std::string word = source.substr(begin, end - begin);
            if (word != "__launch_bounds__") {
                names += word + "\n";
                break;
            }
            open = source.find('(', open + 1);
        }
    }
    return names;
}

std::string kernels_of(const Program &program) {
    for (const Module &module : modules())
        if (program.name == module.file) {
            std::string names;
            for (const Kernel &kernel : module.kernels) names += std::string(kernel.name) + "\n";
            return names;
        }
    return kernels_of(program.source);
}

} // namespace
} // namespace simulated

using namespace simulated;

extern "C" {

const char *nvrtcGetErrorString(int result) {
    switch (result) {
    case success: return "NVRTC_SUCCESS";
    case program_creation_failure: return "NVRTC_ERROR_PROGRAM_CREATION_FAILURE";
    case invalid_program: return "NVRTC_ERROR_INVALID_PROGRAM";
    case invalid_option: return "NVRTC_ERROR_INVALID_OPTION";
    case compilation_error: return "NVRTC_ERROR_COMPILATION";
    default: return "NVRTC_ERROR_INTERNAL_ERROR";
    }
}

int nvrtcVersion(int *major, int *minor) {
    SIMULATED_CALL(nvrtcVersion);
    *major = settings().compiler_version / 10;
    *minor = settings().compiler_version % 10;
    return success;
}

int nvrtcGetNumSupportedArchs(int *count) {
    SIMULATED_CALL(nvrtcGetNumSupportedArchs);
    *count = int(sizeof architectures / sizeof *architectures);
    return success;
}

int nvrtcGetSupportedArchs(int *numbers) {
    SIMULATED_CALL(nvrtcGetSupportedArchs);
    std::memcpy(numbers, architectures, sizeof architectures);
    return success;
}

int nvrtcCreateProgram(void **handle, const char *source, const char *name, int count, const char *const *headers,
                       const char *const *names) {
    SIMULATED_CALL(nvrtcCreateProgram);
    auto *program = new Program;
    program->source = source;
    program->name = name ? name : "default_program";
    for (int i = 0; i < count; i++) program->headers[names[i]] = headers[i];
    *handle = program;
    return success;
}

int nvrtcDestroyProgram(void **handle) {
    SIMULATED_CALL(nvrtcDestroyProgram);
    delete static_cast<Program *>(*handle);
    *handle = nullptr;
    return success;
}

int nvrtcCompileProgram(void *handle, int count, const char *const *options) {
    SIMULATED_CALL(nvrtcCompileProgram);
    auto *program = static_cast<Program *>(handle);
    if (!program) return invalid_program;
    counts().compilations++;
    std::string target = "sm_75";
    for (int i = 0; i < count; i++) {
        const std::string option = options[i], key = option.substr(0, option.find('='));
        if (key == "--gpu-architecture" || key == "-arch") target = option.substr(key.size() + 1);
        else if (key != "--std" && key != "-std" && key != "-default-device" && key != "--ptxas-options") {
            program->log = "nvrtc: error: unrecognized option " + option + " found\n";
            return invalid_option;
        }
    }
    int number = 0;
    program->is_portable = std::sscanf(target.c_str(), "compute_%d", &number) == 1;
    bool is_known = program->is_portable || std::sscanf(target.c_str(), "sm_%d", &number) == 1;
    if (is_known) {
        is_known = false;
        for (int each : architectures) is_known = is_known || each == number;
    }
    if (!is_known) {
        program->log = "nvrtc: error: invalid value for --gpu-architecture (-arch)\n";
        return invalid_option;
    }
    program->log = errors_of(*program, program->source, program->name);
    for (const auto &header : program->headers) program->log += errors_of(*program, header.second, header.first);
    if (!program->log.empty()) return compilation_error;
    program->image = "simulated " + target + "\n" + kernels_of(*program);
    return success;
}

int nvrtcGetCUBINSize(void *handle, size_t *bytes) {
    SIMULATED_CALL(nvrtcGetCUBINSize);
    auto *program = static_cast<Program *>(handle);
    *bytes = program->is_portable || program->image.empty() ? 0 : program->image.size() + 1;
    return success;
}

int nvrtcGetPTXSize(void *handle, size_t *bytes) {
    SIMULATED_CALL(nvrtcGetPTXSize);
    auto *program = static_cast<Program *>(handle);
    *bytes = program->image.size() + 1;
    return success;
}

int nvrtcGetCUBIN(void *handle, char *image) {
    SIMULATED_CALL(nvrtcGetCUBIN);
    auto *program = static_cast<Program *>(handle);
    std::memcpy(image, program->image.c_str(), program->image.size() + 1);
    return success;
}

int nvrtcGetPTX(void *handle, char *text) {
    SIMULATED_CALL(nvrtcGetPTX);
    auto *program = static_cast<Program *>(handle);
    std::memcpy(text, program->image.c_str(), program->image.size() + 1);
    return success;
}

int nvrtcGetProgramLogSize(void *handle, size_t *bytes) {
    SIMULATED_CALL(nvrtcGetProgramLogSize);
    *bytes = static_cast<Program *>(handle)->log.size() + 1;
    return success;
}

int nvrtcGetProgramLog(void *handle, char *log) {
    SIMULATED_CALL(nvrtcGetProgramLog);
    auto *program = static_cast<Program *>(handle);
    std::memcpy(log, program->log.c_str(), program->log.size() + 1);
    return success;
}

} // extern "C"
