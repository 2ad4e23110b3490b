{
  # The same three commands for Nix users.  Nix brings Python, make and a browser; the libraries still come from the
  # hash-locked requirements, so that there is one list of them and not two.
  description = "Pipulate: local-first, step-by-step workflows with a local language model in them";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});

      # Ready-made wheels expect these libraries in the usual places, which NixOS does not have.
      libraries = pkgs: pkgs.lib.makeLibraryPath [ pkgs.stdenv.cc.cc.lib pkgs.zlib ];
      tools = pkgs: [ pkgs.python312 pkgs.gnumake pkgs.git ]
        ++ pkgs.lib.optional pkgs.stdenv.isLinux pkgs.chromium;
      environment = pkgs: pkgs.lib.optionalString pkgs.stdenv.isLinux
        ''export LD_LIBRARY_PATH="${libraries pkgs}''${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"'';

      # Called in a checkout, as make is: the virtual environment and the data stay in it.
      target = pkgs: name: {
        type = "app";
        program = toString (pkgs.writeShellScript "pipulate-${name}" ''
          export PATH="${pkgs.lib.makeBinPath (tools pkgs)}:$PATH"
          ${environment pkgs}
          if [ ! -f flake.nix ] || [ ! -f Makefile ]; then
            echo "Call this in a checkout of Pipulate." >&2
            exit 1
          fi
          exec make --no-print-directory ${name} ARGS="$*"
        '');
      };
    in
    {
      # nix run            the app;   nix run .#test   the tests;   nix run .#lint   style and types
      apps = each (pkgs: {
        default = target pkgs "run";
        test = target pkgs "test";
        lint = target pkgs "lint";
        bench = target pkgs "bench";
      });

      # nix develop        a shell in which every make target works
      devShells = each (pkgs: {
        default = pkgs.mkShell {
          packages = tools pkgs;
          shellHook = environment pkgs;
        };
      });
    };
}
