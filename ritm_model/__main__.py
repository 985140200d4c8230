from ritm_model.cli.main import main

main()
